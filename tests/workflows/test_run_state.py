"""What a checkpoint keeps of a run is all of it: the next steps are the same to the last bit."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from qarank.adapters.inject import trainable_parameters
from qarank.artifacts.checkpoint import read_state, write_state
from qarank.engine.distributed import Processes
from qarank.engine.environment import World
from qarank.engine.generators import read_generators, seed_process
from qarank.engine.hooks import StepReport
from qarank.engine.loop import Trainer
from qarank.errors import CheckpointError
from qarank.ranks.allocator import RankAllocator
from qarank.workflows.build import Setting, build_allocator, build_model, build_trainer
from qarank.workflows.prepare import Prepared
from qarank.workflows.run_state import (
    collect_tensors,
    describe_loop,
    restore_generators,
    restore_loop,
    restore_tensors,
)

CPU = torch.device("cpu")
SVD = {"adapter": {"type": "svd", "r": 4, "alpha": 8, "dropout": 0.1}}
FRD = {"adapter": {"type": "frd", "r": 4, "alpha": 8}}
FULL = {"adapter": {"type": "none", "full": True}, "allocator": {"type": "none"}}
KINDS = {"svd": SVD, "frd": FRD, "full": FULL}
OVERFLOWING = 2.0**40  # a scale at which every gradient does


@dataclass(frozen=True)
class Parts:
    """What of a run has a state."""

    trainer: Trainer
    allocator: RankAllocator | None

    def collect(self) -> dict[str, Tensor]:
        """Everything, copied."""
        tensors = collect_tensors(self.trainer, self.allocator, [read_generators(CPU)])
        return {name: tensor.detach().clone() for name, tensor in tensors.items()}

    def train(self, first: int, last: int) -> list[StepReport]:
        return [self.trainer.train_step(step) for step in range(first, last + 1)]


def build(prepared: Prepared, precision: Any = "fp32") -> Parts:
    """A run's parts at its start, with random numbers that nobody else has drawn."""
    model, layers = build_model(prepared, Setting(CPU, precision))
    allocator = build_allocator(prepared, layers)
    trainer = build_trainer(prepared, model, layers, Setting(CPU, precision), allocator=allocator)
    seed_process(3, 0)
    return Parts(trainer, allocator)


def numbers(reports: list[StepReport]) -> list[tuple[float, ...]]:
    return [(r.loss, r.penalty, r.grad_norm, float(r.skipped)) for r in reports]


def require_equal(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    different = [name for name in one if not torch.equal(one[name], two[name])]
    assert not different


@pytest.mark.parametrize(
    ("kind", "precision", "stopped_after"),
    [
        ("svd", "fp32", 1),  # before the first round
        ("svd", "fp32", 4),  # right after it
        ("svd", "fp16", 7),  # within the last five steps the pattern is fixed
        ("frd", "fp32", 4),
        ("full", "fp32", 4),
        ("full", "fp16", 1),
    ],
)
def test_a_run_from_a_file_takes_the_very_steps_of_one_never_stopped(
    kind: str,
    precision: str,
    stopped_after: int,
    prepare_tiny: Callable[..., Prepared],
    tmp_path: Path,
) -> None:
    prepared = prepare_tiny(**KINDS[kind])
    never_stopped = build(prepared, precision)
    never_stopped.train(1, stopped_after)
    write_state(tmp_path, never_stopped.collect(), describe_loop(never_stopped.trainer))
    before = never_stopped.collect()
    expected = never_stopped.train(stopped_after + 1, stopped_after + 5)

    tensors, facts = read_state(tmp_path)
    require_equal(tensors, before)
    resumed = build(prepared, precision)
    resumed.train(1, 2)  # what it holds must not shine through
    restore_tensors(tensors, resumed.trainer, resumed.allocator)
    restore_loop(facts, resumed.trainer)
    restore_generators(tensors, resumed.trainer, seed=99, global_step=stopped_after)
    require_equal(resumed.collect(), before)
    found = resumed.train(stopped_after + 1, stopped_after + 5)
    assert numbers(found) == numbers(expected)
    require_equal(resumed.collect(), never_stopped.collect())
    assert describe_loop(resumed.trainer) == describe_loop(never_stopped.trainer)


def test_the_runs_compared_have_pruned_and_every_kind_of_state(
    prepare_tiny: Callable[..., Prepared],
) -> None:
    """Guards the test above."""
    parts = build(prepare_tiny(**SVD))
    parts.train(1, 4)
    state = parts.collect()
    assert {name.partition(".")[0] for name in state} == {
        "model",
        "optimizer",
        "allocator",
        "generator",
    }
    assert 0 < int(state["allocator.mask"].sum()) < 48
    assert int(state["allocator.num_rounds"]) == 1


def test_a_scale_that_came_down_and_its_skipped_steps_are_kept(
    prepare_tiny: Callable[..., Prepared],
) -> None:
    prepared = prepare_tiny(**FRD)
    overflowing = build(prepared, "fp16").trainer
    overflowing.scaler = torch.amp.GradScaler("cpu", init_scale=OVERFLOWING)
    assert [overflowing.train_step(step).skipped for step in (1, 2)] == [True, True]
    facts = json.loads(json.dumps(describe_loop(overflowing)))
    resumed = build(prepared, "fp16").trainer
    restore_loop(facts, resumed)
    assert resumed.num_skipped == 2
    report = resumed.train_step(3)
    assert report.skipped, "or the scale began anew"
    assert (resumed.num_skipped, resumed.scaler.get_scale()) == (3, OVERFLOWING / 8)


def test_an_allocator_takes_its_mask_and_count_into_the_layers(
    prepare_tiny: Callable[..., Prepared],
) -> None:
    pruned, fresh = (build(prepare_tiny(**SVD)) for _ in range(2))
    pruned.train(1, 6)
    restore_tensors(pruned.collect(), fresh.trainer, fresh.allocator)
    assert fresh.allocator is not None and pruned.allocator is not None
    assert fresh.allocator.num_rounds == pruned.allocator.num_rounds == 2
    ranks = [layer.rank for layer in pruned.allocator.layers.values()]
    assert [layer.rank for layer in fresh.allocator.layers.values()] == ranks


@pytest.mark.parametrize(
    ("there", "odd"),
    [({"adapter": {"type": "svd", "r": 2}}, "shapes"), (FRD, r"bert\.encoder.*lora_E")],
)
def test_another_models_tensors_are_refused_and_change_nothing(
    there: dict[str, Any], odd: str, prepare_tiny: Callable[..., Prepared]
) -> None:
    other, parts = build(prepare_tiny(**there)), build(prepare_tiny(**SVD))
    before = parts.collect()
    with pytest.raises(CheckpointError, match=f"the checkpoint is another model's: {odd}"):
        restore_tensors(other.collect(), parts.trainer, parts.allocator)
    require_equal(parts.collect(), before)


def test_each_process_takes_its_own_generator_and_a_new_one_gets_a_new_stream(
    prepare_tiny: Callable[..., Prepared],
) -> None:
    trainer = build(prepare_tiny(**FRD)).trainer
    states = []
    for rank in range(11):  # so that 1 and 10 could be mistaken for each other
        seed_process(5, rank)
        states.append(read_generators(CPU))
    tensors = collect_tensors(trainer, None, states)
    drawn: list[tuple[float, ...]] = []
    for rank in range(12):
        trainer.processes = Processes(World(rank, rank, 12, 12))
        restore_generators(tensors, trainer, seed=5, global_step=3)
        drawn.append(tuple(torch.rand(4).tolist()))
        seed_process(5, rank)
        assert (drawn[-1] == tuple(torch.rand(4).tolist())) == (rank < 11)
    assert len(set(drawn)) == 12


def test_every_trained_parameter_is_kept_and_nothing_frozen_is(
    prepare_tiny: Callable[..., Prepared],
) -> None:
    parts = build(prepare_tiny(**SVD))
    names = {name for name in parts.collect() if name.startswith("model.")}
    assert names == {f"model.{name}" for name in trainable_parameters(parts.trainer.model)}
    assert not any("base_layer" in name for name in names)
