"""As tests/squad/test_faults_of_run_qa.py: faults of answering with a model."""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from qarank.config.schema import EvalConfig
from qarank.engine.distributed import Processes
from qarank.squad.examples import Example
from qarank.squad.features import build_features
from qarank.squad.postprocess import Decoded
from qarank.squad.sample import almanac
from qarank.squad.spans import TopSpans
from qarank.workflows.reading import Reader
from qarank.workflows.scoring import find_spans, read_answers, score_spans

SETTINGS = EvalConfig(batch_size=4, n_best_size=5, max_answer_length=6)
LENGTHS = {"max_seq_length": 96, "doc_stride": 24}


class Scripted(nn.Module):
    """Logits that are a fixed function of the token ids."""

    def forward(self, input_ids: Tensor, **_: Tensor) -> SimpleNamespace:
        return SimpleNamespace(
            start_logits=torch.sin(input_ids.float()), end_logits=torch.cos(3.0 * input_ids)
        )


class Seeker(nn.Module):
    """Wants one token; next to it, no answer."""

    def __init__(self, wanted: int, cls: int) -> None:
        super().__init__()
        self.wanted, self.cls = wanted, cls

    def forward(self, input_ids: Tensor, **_: Tensor) -> SimpleNamespace:
        logits = 5.0 * (input_ids == self.wanted) + 1.0 * (input_ids == self.cls)
        return SimpleNamespace(start_logits=logits, end_logits=logits)


@pytest.fixture
def tokenizer(tiny_model_dir: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_model_dir)


def make_reader(model: nn.Module) -> Reader:
    return Reader(model, torch.device("cpu"), pad_token_id=0, padding_side="right")


@pytest.mark.parametrize("size", [2, 3, 7])
def test_t10795_t16865_on_several_processes_no_sample_counts_twice(
    size: int,
    tokenizer: PreTrainedTokenizerBase,
    run_together: Callable[..., list[Any]],
) -> None:
    examples = almanac("validation")[:9]
    table = build_features(examples, tokenizer, **LENGTHS)

    def score(processes: Processes) -> dict[str, Any]:
        spans = find_spans(make_reader(Scripted()), table, SETTINGS, processes=processes)
        found = score_spans(spans, examples, table, SETTINGS, null_threshold=0.0, started=0.0)
        return found.metrics | found.decoded.predictions | {"features": len(spans.score)}

    alone = run_together(score, 1)[0]
    assert run_together(score, size) == [alone] * size
    assert (alone["total"], alone["features"]) == (9, len(table))


def test_t8476_t27458_what_is_kept_of_a_feature_does_not_grow_with_its_length(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """run_qa keeps two logits a token, of all features, padded to the longest."""
    examples = almanac("validation")[:20]

    def bytes_a_feature(max_seq_length: int) -> float:
        table = build_features(examples, tokenizer, max_seq_length=max_seq_length, doc_stride=24)
        found = find_spans(make_reader(Scripted()), table, SETTINGS)
        return sum(each.untyped_storage().nbytes() for each in tensors_of(found)) / len(table)

    assert bytes_a_feature(64) == bytes_a_feature(384) == 5 * (8 + 8 + 4) + 4


def tensors_of(spans: TopSpans) -> list[Tensor]:
    return [spans.start, spans.end, spans.score, spans.null_score]


def answer(context: str, tokenizer: PreTrainedTokenizerBase, *, threshold: float = 0.0) -> Decoded:
    wanted, cls = tokenizer.convert_tokens_to_ids(["1", "[CLS]"])
    examples = [Example("a", "", context, "which?")]
    table = build_features(examples, tokenizer, max_seq_length=32, doc_stride=8)
    reader = make_reader(Seeker(wanted, cls))
    return read_answers(reader, examples, table, SETTINGS, null_threshold=threshold)


@pytest.mark.parametrize("before", [0, 1, 40, 2000])
@pytest.mark.parametrize("after", [0, 40, 2000])
def test_t6144_an_answer_is_found_wherever_it_stands_in_a_long_context(
    before: int, after: int, tokenizer: PreTrainedTokenizerBase
) -> None:
    context = "the " * before + "1" + " of" * after
    found = answer(context, tokenizer)
    assert found.predictions == {"a": "1"}
    best = found.nbest["a"][0]
    assert (best["start"], best["end"]) == (4 * before, 4 * before + 1)


@pytest.mark.parametrize("length", [1, 2000])
def test_t5563_t14277_no_answer_is_an_answer_and_no_error(
    length: int, tokenizer: PreTrainedTokenizerBase
) -> None:
    context = "the " * length
    assert answer(context, tokenizer).predictions == {"a": ""}
    assert answer(context, tokenizer, threshold=math.inf).predictions == {"a": "the"}


@pytest.mark.parametrize("context", ["", " \n "])
@pytest.mark.parametrize("threshold", [0.0, math.inf])
def test_t2623_a_context_without_words_is_answered_with_nothing(
    context: str, threshold: float, tokenizer: PreTrainedTokenizerBase
) -> None:
    assert answer(context, tokenizer, threshold=threshold).predictions == {"a": ""}
