"""Answers as Hugging Face's run_qa chooses them, for who must compare with its figures.

It pairs the n_best_size highest start logits of a window with the n_best_size highest end logits,
all padding included, and lists spans that two windows share twice. Its arithmetic is float32, its
"no answer" the window's first token, its ties as numpy's unstable sort leaves them; so are they
here. `spans` and `postprocess` are how it ought to be done.

Dims: num_tokens: over all features; k: start and end logits kept of a feature; rows: candidates.
Source: transformers' examples/pytorch/question-answering, its documented behaviour. Differs: logits
that are not finite are an error; with no candidate but empty ones run_qa stops, here its own
way out, the word "empty", is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable
from qarank.squad.top_logits import Floats, Ints, TopLogits

NO_TEXT = "empty"  # run_qa's answer where there is no candidate
FEATURES_PER_BLOCK = 1024  # bounds the k x k pairs held at a time

Entry = dict[str, Any]  # start_logit, end_logit, text, probability


@dataclass(frozen=True)
class RunQaAnswers:
    """What run_qa writes, in its order.

    Attributes:
        predictions: id -> answer.
        nbest: id -> entries start_logit, end_logit, text and probability, best first.
        null_odds: id -> score of "no answer" - best other score; empty unless it is allowed.
    """

    predictions: dict[str, str]
    nbest: dict[str, list[Entry]]
    null_odds: dict[str, float]


@dataclass(frozen=True)
class _Spans:
    """Candidates in the order run_qa comes upon them: by feature, start's place, end's place.

    feature: (rows,); chars: (rows, 2) first character and one past the last; logits: (rows, 2) of
    start and end; score: (rows,) their float32 sum.
    """

    feature: Ints
    chars: npt.NDArray[np.int32]
    logits: Floats
    score: Floats


def decode_as_run_qa(
    examples: Sequence[Example],
    table: FeatureTable,
    offsets: npt.NDArray[np.int32],
    top: TopLogits,
    *,
    n_best_size: int,
    max_answer_length: int,
    null_threshold: float,
    with_null: bool,
) -> RunQaAnswers:
    """Choose each example's answer and list its candidates.

    Args:
        examples: as the table was built from.
        table: their features, in example order, at least one an example.
        offsets: (num_tokens, 2) characters of each context token; -1 off the context.
        top: of all features, in table order.
        n_best_size: candidates kept, 1 or more; with_null "no answer" is kept besides, if need be.
        max_answer_length: tokens a span may have.
        null_threshold: the answer is "" where the null odds are above this.
        with_null: whether "no answer" is allowed.
    """
    spans = _find_spans(table, offsets, top, max_answer_length)
    owner = table.example_index[spans.feature]
    order = np.lexsort((-spans.score, owner))  # stable, as run_qa's sort is
    numbers = np.arange(len(examples) + 1)
    row_at = np.searchsorted(owner, numbers)
    window_at = np.searchsorted(table.example_index, numbers)
    found = RunQaAnswers({}, {}, {})
    for number, example in enumerate(examples):
        picked = order[row_at[number] : row_at[number + 1]][:n_best_size]
        nulls = top.null_logits[window_at[number] : window_at[number + 1]]
        null = nulls[np.argmin(nulls[:, 0] + nulls[:, 1])] if with_null else None
        entries = _list_entries(example.context, spans, picked, null, n_best_size)
        found.nbest[example.id] = [
            {key: value if key == "text" else float(value) for key, value in entry.items()}
            for entry in entries
        ]
        if null is None:
            found.predictions[example.id] = entries[0]["text"]
            continue
        other = next(entry for entry in entries if entry["text"])
        odds = null[0] + null[1] - other["start_logit"] - other["end_logit"]
        found.null_odds[example.id] = float(odds)
        found.predictions[example.id] = "" if odds > null_threshold else other["text"]
    return found


def _find_spans(
    table: FeatureTable, offsets: npt.NDArray[np.int32], top: TopLogits, max_answer_length: int
) -> _Spans:
    parts = [
        _find_spans_of(
            np.arange(begin, min(begin + FEATURES_PER_BLOCK, len(table))),
            table,
            offsets,
            top,
            max_answer_length,
        )
        for begin in range(0, len(table), FEATURES_PER_BLOCK)
    ]
    columns = zip(*parts, strict=True)
    return _Spans(*(np.concatenate(column) for column in columns))


def _find_spans_of(
    block: Ints,
    table: FeatureTable,
    offsets: npt.NDArray[np.int32],
    top: TopLogits,
    max_answer_length: int,
) -> tuple[Ints, npt.NDArray[np.int32], Floats, Floats]:
    """The columns of _Spans for the features of a block."""
    start, end = top.start[block], top.end[block]  # (features, k)
    start_at, start_lies_in = _locate(start, block, table, offsets)
    end_at, end_lies_in = _locate(end, block, table, offsets)
    length = end[:, None, :] - start[:, :, None]  # (features, k, k), 0 is one token
    legal = start_lies_in[:, :, None] & end_lies_in[:, None, :]
    feature, one, other = np.nonzero(legal & (length >= 0) & (length < max_answer_length))
    logits = np.stack(
        [top.start_logit[block][feature, one], top.end_logit[block][feature, other]], axis=1
    )
    chars = np.stack(
        [offsets[start_at[feature, one], 0], offsets[end_at[feature, other], 1]], axis=1
    )
    return block[feature], chars, logits, logits[:, 0] + logits[:, 1]


def _locate(
    position: Ints, block: Ints, table: FeatureTable, offsets: npt.NDArray[np.int32]
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """(features, k) flat tokens, and whether they are the feature's own context."""
    is_inside = (position >= 0) & (position < table.lengths[block][:, None])
    place = table.row_offsets[block][:, None] + np.where(is_inside, position, 0)
    return place, is_inside & (offsets[place, 0] >= 0)


def _list_entries(
    context: str, spans: _Spans, picked: Ints, null: Floats | None, n_best_size: int
) -> list[Entry]:
    """The candidates of one example, best first, their probabilities a softmax over them.

    Args:
        context: the example's.
        spans: of all examples.
        picked: (at most n_best_size,) its best rows of spans.
        null: (2,) its "no answer" logits; None where that is not allowed.
        n_best_size: candidates kept.
    """
    chars = spans.chars[picked].tolist()
    entries: list[Entry] = [
        {"start_logit": start_logit, "end_logit": end_logit, "text": context[start:end]}
        for (start, end), (start_logit, end_logit) in zip(chars, spans.logits[picked], strict=True)
    ]
    scores: list[Any] = list(spans.score[picked])
    if null is not None:
        null_score = null[0] + null[1]
        place = sum(score >= null_score for score in scores)  # behind its equals
        no_answer = {"start_logit": null[0], "end_logit": null[1], "text": ""}
        if place < n_best_size:
            entries = [*entries[:place], no_answer, *entries[place : n_best_size - 1]]
            scores = [*scores[:place], null_score, *scores[place : n_best_size - 1]]
        elif [0, 0] not in chars:  # an empty first token passes for "no answer"
            entries, scores = [*entries, no_answer], [*scores, null_score]
    if _lacks_text(entries, with_null=null is not None):
        entries = [{"text": NO_TEXT, "start_logit": 0.0, "end_logit": 0.0}, *entries]
        scores = [0.0, *scores]  # so all are float64 from here on
    for entry, probability in zip(entries, _softmax(np.array(scores)), strict=True):
        entry["probability"] = probability
    return entries


def _lacks_text(entries: Sequence[Entry], *, with_null: bool) -> bool:
    """Whether run_qa would not know what to answer."""
    some = any(entry["text"] for entry in entries)
    return not some and (with_null or len(entries) < 2)


def _softmax(scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(n,) in the precision of scores, numpy's own sum: so the last digit is run_qa's."""
    weights = np.exp(scores - np.max(scores))
    return np.asarray(weights / weights.sum())
