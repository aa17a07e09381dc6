"""A run's parts, and that what saves memory or time changes no gradient."""

import json
from collections.abc import Callable
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from qarank.adapters.inject import trainable_parameters
from qarank.engine.distributed import Processes
from qarank.engine.generators import seed_process
from qarank.engine.loop import Trainer
from qarank.ranks.allocator import RankAllocator
from qarank.ranks.importance import ImportanceTracker
from qarank.ranks.norm import NormScorer
from qarank.ranks.pattern import PatternAllocator
from qarank.ranks.random_scores import RandomScorer
from qarank.workflows.build import (
    Setting,
    build_allocator,
    build_batches,
    build_model,
    build_reader,
    build_trainer,
    plan_milestones,
)
from qarank.workflows.prepare import Prepared

CPU = torch.device("cpu")
ALONE = Setting(CPU, "fp32")
TRAIN = {"max_steps": 12, "batch_size": 8, "learning_rate": 0.01, "precision": "fp32"}
NO_ALLOCATOR: dict[str, Any] = {"allocator": {"type": "none"}}
KINDS = {
    "svd": {"adapter": {"type": "svd", "r": 4, "dropout": 0.2}},
    "frd": {"adapter": {"type": "frd", "r": 4, "dropout": 0.2}, **NO_ALLOCATOR},
    "full": {"adapter": {"type": "none", "full": True}, **NO_ALLOCATOR},
    "head": {"adapter": {"type": "none"}, **NO_ALLOCATOR},
}


def make_trainer(prepared: Prepared, setting: Setting = ALONE) -> Trainer:
    model, layers = build_model(prepared, setting)
    allocator = build_allocator(prepared, layers)
    return build_trainer(prepared, model, layers, setting, allocator=allocator)


def gradients_of_step_2(prepared: Prepared) -> dict[str, Tensor]:
    """By parameter; of the second step, since the first ones are 0 behind B = 0 or E = 0."""
    trainer = make_trainer(prepared)
    seed_process(3, 0)  # of the dropout
    trainer.train_step(1)
    trainer.model.train()
    rows = trainer.data.rows_at(2)
    trainer.backward_rows(rows, num_rows=len(rows))
    trained = trainable_parameters(trainer.model)
    return {name: p.grad for name, p in trained.items() if p.grad is not None}


def require_close(found: dict[str, Tensor], expected: dict[str, Tensor], *, atol: float) -> None:
    assert found.keys() == expected.keys()
    assert all(float(tensor.abs().max()) > 0 for tensor in expected.values())
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=atol, rtol=atol)


@pytest.mark.parametrize("kind", list(KINDS))
def test_gradient_checkpointing_changes_no_gradient_dropout_included(
    kind: str, prepare_tiny: Callable[..., Prepared]
) -> None:
    plain, checkpointed = (
        gradients_of_step_2(
            prepare_tiny(**KINDS[kind], train={**TRAIN, "gradient_checkpointing": asked})
        )
        for asked in (False, True)
    )
    require_close(checkpointed, plain, atol=1e-7)


def test_checkpointing_recomputes_every_layer_without_reentering_autograd(
    prepare_tiny: Callable[..., Prepared],
) -> None:
    trainer = make_trainer(prepare_tiny(train={**TRAIN, "gradient_checkpointing": True}))
    calls: list[str] = []
    for name, module in trainer.model.named_modules():
        if name.endswith("intermediate.dense"):
            module.register_forward_hook(lambda *_, name=name: calls.append(name))
    trainer.train_step(1)
    assert len(set(calls)) == 2
    assert {calls.count(name) for name in calls} == {2}, "once more in the backward pass"
    functions = [
        module._gradient_checkpointing_func.keywords["use_reentrant"]
        for module in trainer.model.modules()
        if getattr(module, "gradient_checkpointing", False)
    ]
    assert functions and not any(functions)
    assert trainer.model.config.use_cache is False, "or transformers warns"  # type: ignore[union-attr]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # its own, in its own code
@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_a_compiled_model_is_one_graph_with_the_plain_ones_names_and_gradients(
    backend: str,
    prepare_tiny: Callable[..., Prepared],
    tiny_model_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend=backend))
    counters.clear()
    model = {"name_or_path": str(tiny_model_dir), "dropout": 0.0}  # else it draws other masks
    plain, compiled = (
        gradients_of_step_2(prepare_tiny(model=model, train={**TRAIN, "compile": asked}))
        for asked in (False, True)
    )
    require_close(compiled, plain, atol=1e-5)
    assert counters["stats"]["unique_graphs"] == 1, "or it was not compiled"


class Main(Processes):
    """Notes what the others would take from this process."""

    def __init__(self) -> None:
        super().__init__(ALONE.processes.world)
        self.given: list[Tensor] = []

    def take_from_main(self, tensors: Any) -> None:
        self.given = list(tensors)


@pytest.mark.parametrize("kind", list(KINDS))
def test_all_that_trains_is_taken_from_the_main_process(
    kind: str, prepare_tiny: Callable[..., Prepared]
) -> None:
    processes = Main()
    model, layers = build_model(prepare_tiny(**KINDS[kind]), Setting(CPU, "fp32", processes))
    trained = trainable_parameters(model).values()
    assert {t.data_ptr() for t in processes.given} == {p.data_ptr() for p in trained}
    assert len(layers) == (12 if kind in ("svd", "frd") else 0)


def test_a_model_follows_from_its_recipe_alone(prepare_tiny: Callable[..., Prepared]) -> None:
    def weights(seed: int) -> list[Tensor]:
        torch.rand(seed)  # whatever was drawn before
        model, _ = build_model(prepare_tiny(seed=seed), ALONE)
        return [p.detach() for p in model.parameters() if p.requires_grad]

    one, same, other = weights(5), weights(5), weights(6)
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_frozen_base_is_cast_and_what_trains_stays_in_float32(
    precision: Any, prepare_tiny: Callable[..., Prepared]
) -> None:
    model, _ = build_model(prepare_tiny(), Setting(CPU, precision))
    dtypes = {p.requires_grad: p.dtype for p in model.parameters()}
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert dtypes == {True: torch.float32, False: half}


def test_an_allocator_is_a_hook_where_the_recipe_has_one(
    prepare_tiny: Callable[..., Prepared],
) -> None:
    (hook,) = make_trainer(prepare_tiny()).hooks
    assert hook.schedule.target_budget == 24  # type: ignore[attr-defined]
    assert make_trainer(prepare_tiny(**NO_ALLOCATOR)).hooks == []


@pytest.mark.parametrize(
    ("kind", "scorer"),
    [("adalora", ImportanceTracker), ("norm", NormScorer), ("random", RandomScorer)],
)
def test_the_recipe_names_what_the_allocator_goes_by(
    kind: str, scorer: type, prepare_tiny: Callable[..., Prepared]
) -> None:
    keys = {"type": kind, "target_r": 2, "tinit": 2, "tfinal": 4, "budget_unit": "parameters"}
    (hook,) = make_trainer(prepare_tiny(allocator=keys)).hooks
    assert isinstance(hook, RankAllocator) and type(hook.scorer) is scorer
    assert set(hook.pool.costs) == {64, 80}


def test_given_ranks_are_an_allocator_of_their_own(
    prepare_tiny: Callable[..., Prepared], tmp_path: Path
) -> None:
    path = tmp_path / "ranks.json"
    ranks = dict.fromkeys(prepare_tiny().plan.matrices, 3)
    path.write_text(json.dumps(ranks))
    (hook,) = make_trainer(prepare_tiny(allocator={"type": "file", "pattern": str(path)})).hooks
    assert isinstance(hook, PatternAllocator) and (hook.ranks, hook.budget) == (ranks, 36)


@pytest.mark.parametrize(("micro", "expected"), [(None, 8), (3, 3)])
def test_a_micro_batch_is_the_batch_unless_said(
    micro: int | None, expected: int, prepare_tiny: Callable[..., Prepared]
) -> None:
    trainer = make_trainer(prepare_tiny(train={**TRAIN, "micro_batch_size": micro}))
    assert trainer.settings.micro_batch_size == expected


@pytest.mark.parametrize(
    ("precision", "scales"), [("fp32", False), ("bf16", False), ("fp16", True)]
)
def test_only_fp16_scales_its_loss(
    precision: Any, scales: bool, prepare_tiny: Callable[..., Prepared]
) -> None:
    assert make_trainer(prepare_tiny(), Setting(CPU, precision)).scaler.is_enabled() == scales


def test_rates_are_the_recipes_after_its_warm_up(prepare_tiny: Callable[..., Prepared]) -> None:
    trainer = make_trainer(prepare_tiny(train={**TRAIN, "warmup_steps": 4}))
    rates = [trainer.learning_rate(step) for step in (1, 3, 5, 9)]
    assert rates == pytest.approx([0.0, 0.005, 0.01, 0.005])


def test_batches_name_the_examples_of_their_features(
    prepare_tiny: Callable[..., Prepared],
) -> None:
    prepared = prepare_tiny()
    rows = build_batches(prepared).rows_at(1)
    examples = prepared.train.examples
    ids = [examples[number].id for number in prepared.train.table.example_index[rows]]
    assert build_batches(prepared).names(rows) == ids


def test_a_reader_reads_with_the_tokenizers_padding(
    prepare_tiny: Callable[..., Prepared],
) -> None:
    prepared, model = prepare_tiny(), nn.Linear(1, 1)
    reader = build_reader(prepared, model, ALONE)
    assert reader.model is model
    assert reader.pad_token_id == prepared.tokenizer.pad_token_id
    assert reader.padding_side == prepared.tokenizer.padding_side


def test_the_best_is_sought_from_the_final_budget_on(
    prepare_tiny: Callable[..., Prepared],
) -> None:
    steps = range(1, 13)
    pruned = plan_milestones(prepare_tiny(eval={"every": 5}).plan)
    assert [step for step in steps if pruned.is_evaluation(step)] == [5, 10, 12]
    assert [step for step in steps if pruned.is_candidate(step)] == [8, 9, 10, 11, 12]
    whole = plan_milestones(prepare_tiny(**NO_ALLOCATOR).plan)
    assert all(whole.is_candidate(step) for step in steps)
