"""train.learning_rate_ratio_E: E has a rate of its own, and nothing else changes."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from qarank.artifacts.checkpoint import read_state
from qarank.config.schema import Recipe
from qarank.engine.generators import seed_process
from qarank.engine.loop import Trainer
from qarank.errors import RecipeError, StoppedError
from qarank.workflows.build import Setting, build_allocator, build_model, build_trainer
from qarank.workflows.prepare import Prepared
from qarank.workflows.train import TrainOptions, run_path, train_recipe

ALONE = Setting(torch.device("cpu"), "fp32")
TRAIN = {"max_steps": 12, "batch_size": 8, "learning_rate": 0.01, "precision": "fp32"}


def make_trainer(prepared: Prepared) -> Trainer:
    """The base's dropout draws alike in each."""
    model, layers = build_model(prepared, ALONE)
    allocator = build_allocator(prepared, layers)
    seed_process(3, 0)
    return build_trainer(prepared, model, layers, ALONE, allocator=allocator)


def weights(trainer: Trainer) -> dict[str, Tensor]:
    """Of all that trains, copied."""
    named = trainer.model.named_parameters()
    return {name: p.detach().clone() for name, p in named if p.requires_grad}


@pytest.mark.parametrize("ratio", [1.0, 20.0])
def test_es_rate_is_the_others_times_the_ratio_at_every_step(
    ratio: float, prepare_tiny: Callable[..., Prepared]
) -> None:
    train = {**TRAIN, "warmup_steps": 4, "learning_rate_ratio_E": ratio}
    trainer = make_trainer(prepare_tiny(train=train))
    names = {id(p): name for name, p in trainer.model.named_parameters()}
    for global_step in range(1, 13):
        rate = trainer.train_step(global_step).learning_rate
        assert rate == pytest.approx(trainer.learning_rate(global_step))
        for group in trainer.optimizer.param_groups:
            for parameter in group["params"]:
                is_E = names[id(parameter)].endswith("lora_E")
                assert group["lr"] == pytest.approx(rate * (ratio if is_E else 1.0))
    trained = [p for group in trainer.optimizer.param_groups for p in group["params"]]
    assert len(trained) == len({*map(id, trained)}) == len(weights(trainer))


def test_a_step_moves_e_so_many_times_as_far_and_all_else_as_without(
    prepare_tiny: Callable[..., Prepared],
) -> None:
    moved = []
    for ratio in (1.0, 20.0):
        train = {**TRAIN, "schedule": "constant", "learning_rate_ratio_E": ratio}
        trainer = make_trainer(prepare_tiny(train=train))
        before = weights(trainer)
        trainer.train_step(1)
        moved.append({name: p - before[name] for name, p in weights(trainer).items()})
    plain, faster = moved
    for name, step in plain.items():
        assert step.any(), name
        if name.endswith("lora_E"):
            torch.testing.assert_close(faster[name], 20 * step, rtol=1e-5, atol=0)
        else:
            assert torch.equal(faster[name], step), name


def test_a_ratio_of_1_is_no_ratio(prepare_tiny: Callable[..., Prepared]) -> None:
    ends = []
    for keys in ({}, {"learning_rate_ratio_E": 1.0}):
        trainer = make_trainer(prepare_tiny(train={**TRAIN, **keys}))
        trainer.fit()
        ends.append(weights(trainer))
    assert all(torch.equal(tensor, ends[1][name]) for name, tensor in ends[0].items())


@pytest.mark.parametrize("kind", ["frd", "none"])
def test_without_an_e_the_key_is_refused(kind: str, tiny_recipe: Callable[..., Recipe]) -> None:
    adapter = {"type": kind}
    with pytest.raises(RecipeError, match="learning_rate_ratio_E is 20.0; it has no effect"):
        tiny_recipe(
            adapter=adapter,
            allocator={"type": "none"},
            train={**TRAIN, "learning_rate_ratio_E": 20.0},
        )


@pytest.mark.parametrize("init", ["gaussian", "orthogonal"])
def test_a_run_stopped_and_resumed_is_one_never_stopped(
    init: str,
    tiny_recipe: Callable[..., Recipe],
    at_step: Callable[[int, Callable[[], Any]], None],
) -> None:
    adapter = {"type": "svd", "r": 4, "init": init}
    train = {**TRAIN, "learning_rate_ratio_E": 20.0}
    stopped, whole = (
        tiny_recipe(name=name, adapter=adapter, train=train) for name in ("stopped", "whole")
    )
    train_recipe(whole, TrainOptions(show_progress=False))
    at_step(7, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(StoppedError):
        train_recipe(stopped, TrainOptions(show_progress=False))
    train_recipe(stopped, TrainOptions(resume=True, show_progress=False))
    one, other = (
        read_state(run_path(recipe) / "checkpoints" / "step_000012")[0]
        for recipe in (stopped, whole)
    )
    assert one.keys() == other.keys()
    assert [name for name, tensor in one.items() if not torch.equal(tensor, other[name])] == []
