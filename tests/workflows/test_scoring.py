import weakref
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from qarank.adapters.inject import trainable_parameters
from qarank.adapters.svd import SVDLinear
from qarank.artifacts.checkpoint import read_state
from qarank.config.schema import EvalConfig
from qarank.squad.batches import collate
from qarank.squad.feature_table import FeatureTable
from qarank.squad.features import build_features
from qarank.squad.sample import almanac
from qarank.workflows.adapt import adapt_model
from qarank.workflows.logits import compute_logits
from qarank.workflows.model import load_base_model, load_config
from qarank.workflows.model_source import find_model
from qarank.workflows.reading import Reader
from qarank.workflows.scoring import evaluate_reader, find_spans, score_answers

SETTINGS = EvalConfig(batch_size=4, n_best_size=5, max_answer_length=6)
EXAMPLES = almanac("validation")[:10]


@pytest.fixture
def table(tiny_model_dir: Path) -> FeatureTable:
    """Short windows of EXAMPLES, so that most have several."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    return build_features(EXAMPLES, tokenizer, max_seq_length=96, doc_stride=24)


class Scripted(nn.Module):
    """Logits that are a fixed function of the token ids, whatever stands beside them."""

    def forward(self, input_ids: Tensor, **_: Tensor) -> SimpleNamespace:
        return SimpleNamespace(
            start_logits=torch.sin(input_ids.float()), end_logits=torch.cos(3.0 * input_ids)
        )


def scripted(padding_side: str) -> Reader:
    return Reader(Scripted(), torch.device("cpu"), pad_token_id=0, padding_side=padding_side)


def best_span_slowly(table: FeatureTable, row: int, logits: Tensor) -> tuple[int, int, float]:
    """The best context span of one feature, every pair tried; logits: (2, seq)."""
    place = slice(int(table.row_offsets[row]), int(table.row_offsets[row + 1]))
    is_context = table.offset_starts[place] >= 0
    start_logits, end_logits = logits.tolist()
    pairs = [
        (start_logits[start] + end_logits[end], start, end)
        for start in range(len(is_context))
        for end in range(start, min(start + SETTINGS.max_answer_length, len(is_context)))
        if is_context[start] and is_context[end]
    ]
    # Words that come twice make exact ties; the first span counts.
    score, start, end = max(pairs, key=lambda pair: (pair[0], -pair[1], -pair[2]))
    return start, end, score


@pytest.mark.parametrize("padding_side", ["right", "left"])
def test_spans_are_in_table_order_and_counted_from_the_first_token(
    padding_side: str, table: FeatureTable
) -> None:
    spans = find_spans(scripted(padding_side), table, SETTINGS)
    assert len(table) > len(EXAMPLES)
    for row in range(len(table)):
        place = slice(int(table.row_offsets[row]), int(table.row_offsets[row + 1]))
        ids = torch.from_numpy(table.input_ids[place].copy())
        logits = torch.stack([torch.sin(ids.float()), torch.cos(3.0 * ids)])
        start, end, score = best_span_slowly(table, row, logits)
        assert (int(spans.start[row, 0]), int(spans.end[row, 0])) == (start, end)
        assert float(spans.score[row, 0]) == pytest.approx(score)
        assert float(spans.null_score[row]) == pytest.approx(float(logits[:, 0].sum()))


def test_the_batch_size_does_not_matter(table: FeatureTable) -> None:
    reader = scripted("right")
    one, many = (
        find_spans(reader, table, SETTINGS.model_copy(update={"batch_size": size}))
        for size in (1, 64)
    )
    assert torch.equal(one.start, many.start)
    assert torch.allclose(one.score, many.score)


def test_every_feature_is_counted_once_on_the_bar(table: FeatureTable) -> None:
    done: list[int] = []
    find_spans(scripted("right"), table, SETTINGS, on_batch=done.append)
    assert sum(done) == len(table)


class Watched(Scripted):
    """Counts how many of its logits are still held when it is asked for the next ones."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[weakref.ref[Tensor]] = []
        self.most_held = 0

    def forward(self, input_ids: Tensor, **more: Tensor) -> SimpleNamespace:
        held = sum(each() is not None for each in self.given)
        self.most_held = max(self.most_held, held)
        output = super().forward(input_ids, **more)
        self.given += [weakref.ref(output.start_logits), weakref.ref(output.end_logits)]
        return output


def test_no_logits_are_kept_but_those_of_the_batch_at_hand(table: FeatureTable) -> None:
    """So that memory does not grow with features times their length."""
    model = Watched()
    reader = Reader(model, torch.device("cpu"), pad_token_id=0, padding_side="right")
    spans = find_spans(reader, table, SETTINGS)
    assert len(model.given) > 8
    assert model.most_held <= 2
    assert spans.start.untyped_storage().nbytes() == len(table) * SETTINGS.n_best_size * 8


def test_an_evaluation_counts_features_and_answers_every_question(table: FeatureTable) -> None:
    found = evaluate_reader(scripted("right"), EXAMPLES, table, SETTINGS, null_threshold=0.0)
    assert found.num_features == len(table)
    assert found.seconds > 0
    assert set(found.decoded.predictions) == {example.id for example in EXAMPLES}
    assert found.metrics["total"] == 10


def test_evaluation_sees_the_masked_pattern(pruned_run: Any, table: FeatureTable) -> None:
    """What E has grown since the round stays invisible until a round keeps it."""
    reader = open_trained(pruned_run)
    before = evaluate_reader(reader, EXAMPLES, table, SETTINGS, null_threshold=0.0)
    assert revive(reader.model) == 40  # of 48, 8 are kept
    after = evaluate_reader(reader, EXAMPLES, table, SETTINGS, null_threshold=0.0)
    assert after.decoded.null_odds == before.decoded.null_odds
    assert after.metrics == before.metrics
    batch = collate(table, torch.arange(4).numpy(), pad_token_id=0, labels=False)
    assert not torch.equal(train_logits(reader.model, batch), compute_logits(reader.model, batch))


def open_trained(finished: Any) -> Reader:
    """The run's model as it stood in training: all triplets and their masks, no dropout."""
    recipe = finished.recipe
    source = find_model(recipe.model)
    config = load_config(source, recipe.model.model_copy(update={"dropout": 0.0}))
    model = load_base_model(source, config, seed=0)
    layers = adapt_model(model, list(finished.run["plan"]["matrices"]), recipe.adapter, seed=0)
    state, _ = read_state(finished.last_checkpoint)
    for name, parameter in trainable_parameters(model).items():
        parameter.data.copy_(state[f"model.{name}"])
    masks = torch.split(state["allocator.mask"], [layer.r for layer in layers.values()])
    for layer, mask in zip(layers.values(), masks, strict=True):
        layer.rank_mask.copy_(mask)
    return Reader(model, torch.device("cpu"), pad_token_id=0, padding_side="right")


@torch.no_grad()
def train_logits(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """(2, batch, seq), in training mode."""
    model.train()
    output = model(**batch)
    return torch.stack([output.start_logits, output.end_logits]) * batch["attention_mask"]


@torch.no_grad()
def revive(model: nn.Module) -> int:
    """Grow every masked E; how many there were."""
    layers = [module for module in model.modules() if isinstance(module, SVDLinear)]
    for layer in layers:
        layer.lora_E[~layer.rank_mask] = 5.0
    return sum(int((~layer.rank_mask).sum()) for layer in layers)


def decoded(predictions: dict[str, str], answers: dict[str, str], odds: dict[str, float]) -> Any:
    return SimpleNamespace(predictions=predictions, answers=answers, null_odds=odds)


def test_answers_are_also_scored_without_the_threshold() -> None:
    gold = {"a": ["keeper"], "b": ["June"], "c": []}
    outcome = decoded(
        {"a": "keeper", "b": "", "c": ""},
        {"a": "keeper", "b": "June", "c": "report"},
        {"a": -1.0, "b": 1.0, "c": 2.0},
    )
    metrics = score_answers(gold, outcome, with_null=True)
    assert metrics["HasAns_exact"] == 50.0
    assert metrics["answered_HasAns_exact"] == metrics["answered_HasAns_f1"] == 100.0
    assert metrics["exact"] == pytest.approx(200 / 3)
    assert (metrics["best_exact"], metrics["best_exact_thresh"]) == (100.0, 1.0)


def test_without_no_answer_the_figures_are_v1s() -> None:
    outcome = decoded({"a": "the keeper"}, {"a": "the keeper"}, {})
    metrics = score_answers({"a": ["keeper"]}, outcome, with_null=False)
    assert metrics == {"exact_match": 100.0, "f1": 100.0}


def test_the_examples_are_of_both_kinds() -> None:
    """Guards the tests above."""
    assert {example.is_impossible for example in EXAMPLES} == {True, False}
