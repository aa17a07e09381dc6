"""A model and a part of data -> answers and figures."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qarank.config.schema import EvalConfig
from qarank.engine.balance import deal
from qarank.engine.distributed import ALONE, Processes
from qarank.squad.batches import evaluation_batches
from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable
from qarank.squad.metric import score_v1, score_v2
from qarank.squad.postprocess import Decoded, decode_predictions
from qarank.squad.spans import TopSpans, top_spans
from qarank.squad.threshold import tune_threshold
from qarank.workflows.reading import Reader, count_left_padding, read_batches


@dataclass(frozen=True)
class Evaluation:
    """The outcome of an evaluation.

    Attributes:
        metrics: the official keys, and a few of ours; EM and F1 in per cent.
        decoded: the answers.
        num_features: windows that went through the model.
        seconds: wall time of inference and decoding.
    """

    metrics: dict[str, Any]
    decoded: Decoded
    num_features: int
    seconds: float


def read_answers(
    reader: Reader,
    examples: Sequence[Example],
    table: FeatureTable,
    settings: EvalConfig,
    *,
    null_threshold: float | None,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Decoded:
    """Answer every example.

    Args:
        reader: the model.
        examples: questions with their contexts.
        table: their features.
        settings: batch size and lengths.
        null_threshold: score difference above which there is no answer; None: there always is one.
        on_batch: told the number of features done.
    """
    spans = find_spans(reader, table, settings, on_batch=on_batch)
    return decode_spans(spans, examples, table, settings, null_threshold=null_threshold)


def evaluate_reader(
    reader: Reader,
    examples: Sequence[Example],
    table: FeatureTable,
    settings: EvalConfig,
    *,
    null_threshold: float | None,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Answer every example and score the answers; args as `read_answers`."""
    started = time.perf_counter()
    spans = find_spans(reader, table, settings, on_batch=on_batch)
    return score_spans(
        spans, examples, table, settings, null_threshold=null_threshold, started=started
    )


def score_spans(
    spans: TopSpans,
    examples: Sequence[Example],
    table: FeatureTable,
    settings: EvalConfig,
    *,
    null_threshold: float | None,
    started: float,
) -> Evaluation:
    """Make answers of the spans of every feature and score them.

    Args:
        spans: in table order.
        examples: questions with their contexts and gold answers.
        table: their features.
        settings: lengths.
        null_threshold: as in `read_answers`; stands among the metrics.
        started: when the evaluation began, by time.perf_counter.
    """
    decoded = decode_spans(spans, examples, table, settings, null_threshold=null_threshold)
    seconds = time.perf_counter() - started
    gold = {example.id: example.answers for example in examples}
    metrics = score_answers(gold, decoded, with_null=null_threshold is not None)
    if null_threshold is not None:
        is_number = math.isfinite(null_threshold)  # JSON has no infinity
        metrics["null_threshold"] = null_threshold if is_number else str(null_threshold)
    return Evaluation(metrics, decoded, len(table), seconds)


def decode_spans(
    spans: TopSpans,
    examples: Sequence[Example],
    table: FeatureTable,
    settings: EvalConfig,
    *,
    null_threshold: float | None,
) -> Decoded:
    """As `decode_predictions`, with an evaluation's settings; null_threshold as `read_answers`."""
    return decode_predictions(
        examples,
        table,
        spans,
        n_best_size=settings.n_best_size,
        null_threshold=math.inf if null_threshold is None else null_threshold,
        with_null=null_threshold is not None,
    )


def tune_on(
    spans: TopSpans, examples: Sequence[Example], table: FeatureTable, settings: EvalConfig
) -> float:
    """The null threshold that scores best by settings.best_metric; args as `score_spans`."""
    decoded = decode_spans(spans, examples, table, settings, null_threshold=math.inf)
    gold = {example.id: example.answers for example in examples}
    return tune_threshold(gold, decoded.answers, decoded.null_odds, metric=settings.best_metric)


def score_answers(
    gold: Mapping[str, Sequence[str]], decoded: Decoded, *, with_null: bool
) -> dict[str, Any]:
    """The official figures; with "no answer" allowed also what the answers alone are worth.

    `answered_HasAns_exact` and `answered_HasAns_f1` are EM and F1 over the answerable questions
    when every question is answered with its best span: how well the model finds answers, whatever
    its threshold does. The best_* figures are the official ones from true score differences; chosen
    on the very data they score, they are an upper bound.
    """
    if not with_null:
        return dict(score_v1(gold, decoded.predictions))
    metrics: dict[str, Any] = dict(score_v2(gold, decoded.predictions))
    answered = score_v2(gold, decoded.answers, na_prob=decoded.null_odds, na_prob_thresh=math.inf)
    metrics |= {key: answered[key] for key in answered if key.startswith("best_")}
    for key in ("HasAns_exact", "HasAns_f1"):
        if key in answered:
            metrics[f"answered_{key}"] = answered[key]
    return metrics


def find_spans(
    reader: Reader,
    table: FeatureTable,
    settings: EvalConfig,
    *,
    processes: Processes = ALONE,
    on_batch: Callable[[int], None] = lambda _: None,
    names: Callable[[np.ndarray], list[str]] | None = None,
) -> TopSpans:
    """The best spans of every feature, in table order, positions within the feature.

    Batches are the same however many processes there are; each reads its share, all get the whole.

    Args:
        reader: the model, the same on each process.
        table: the features.
        settings: batch size and lengths.
        processes: that share the batches.
        on_batch: told the number of features done here; an error it raises is raised on all.
        names: what a message calls each feature; None: nothing.

    Raises:
        NonFiniteError: logits are NaN or infinite.
    """
    batches = evaluation_batches(table.lengths, batch_size=settings.batch_size)
    world = processes.world
    own = deal(batches, world.world_size, world.global_rank)
    keep = partial(_keep_spans, settings=settings, padding_side=reader.padding_side)
    read = partial(read_batches, keep=keep, on_batch=on_batch, names=names)
    shares = processes.gather_outcomes(lambda: (_rows_of(own), read(reader, table, own)))
    rows = np.concatenate([rows for rows, _ in shares])
    return _in_table_order([part for _, parts in shares for part in parts], rows)


def _rows_of(batches: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype=np.int64), *batches])


def _keep_spans(
    start_logits: Tensor,
    end_logits: Tensor,
    batch: Mapping[str, Tensor],
    *,
    settings: EvalConfig,
    padding_side: str,
) -> TopSpans:
    """The best spans of a batch, on the CPU, positions counted from a feature's first token."""
    spans = top_spans(
        start_logits,
        end_logits,
        batch["is_context"],
        batch["cls_position"],
        k=settings.n_best_size,
        max_answer_length=settings.max_answer_length,
    )
    shift = count_left_padding(batch["attention_mask"], padding_side).unsqueeze(1)
    legal = spans.score.isfinite()
    return TopSpans(
        start=((spans.start - shift) * legal).cpu(),
        end=((spans.end - shift) * legal).cpu(),
        score=spans.score.cpu(),
        null_score=spans.null_score.cpu(),
    )


def _in_table_order(parts: Sequence[TopSpans], order: np.ndarray) -> TopSpans:
    # Every feature once: a share that came twice would count its questions twice.
    assert np.array_equal(np.sort(order), np.arange(len(order)))
    back = torch.from_numpy(np.argsort(order))
    return TopSpans(
        start=torch.cat([part.start for part in parts])[back],
        end=torch.cat([part.end for part in parts])[back],
        score=torch.cat([part.score for part in parts])[back],
        null_score=torch.cat([part.null_score for part in parts])[back],
    )
