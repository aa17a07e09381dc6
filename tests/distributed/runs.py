"""Runs in processes of the harness, and what two runs are compared by."""

import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from qarank.cli.app import main
from qarank.config.schema import Recipe
from qarank.engine.hooks import StepReport
from qarank.engine.loop import Trainer
from qarank.workflows.train import TrainOptions, run_path, train_recipe
from tests.distributed.processes import Ended, run

TIMED = ("time/", "train/step_s", "train/features_per_s")
LOSS_TOLERANCE = 1e-5
# 96 triplets fall to 12 in more than ten rounds, and at this rate some come back.
PRUNED = {"type": "adalora", "target_total": 12, "tinit": 2, "tfinal": 4, "delta_t": 1}
STEPS = {
    "max_steps": 24,
    "batch_size": 8,
    "learning_rate": 0.03,
    "precision": "fp32",
    "log_every": 1,
}
BASE: dict[str, Any] = {
    "adapter": {"type": "svd", "r": 8, "alpha": 16},
    "allocator": PRUNED,
    "train": STEPS,
    "eval": {"every": 12, "null_threshold": 20.0},  # answers, from a model that has learnt little
}

Act = Callable[[Trainer, int], None]


def train_here(recipe: Recipe, options: dict[str, Any], act: Act | None = None) -> dict[str, Any]:
    """Train in this process; `act(trainer, step)` is called before each step."""
    asked = TrainOptions(**options, show_progress=False)
    with patch.object(Trainer, "train_step", acting(Trainer.train_step, act)):
        return train_recipe(recipe, asked)


def command_here(arguments: list[str], act: Act | None = None) -> None:
    """As `python -m qarank ARGUMENTS`."""
    with (
        patch.object(sys, "argv", ["qarank", *arguments]),
        patch.object(Trainer, "train_step", acting(Trainer.train_step, act)),
    ):
        main()


def acting(
    train_step: Callable[[Trainer, int], StepReport], act: Act | None
) -> Callable[[Trainer, int], StepReport]:
    """A training step with something done before it."""

    def step(trainer: Trainer, global_step: int) -> StepReport:
        if act is not None:
            act(trainer, global_step)
        return train_step(trainer, global_step)

    return step


def train_on(
    world_size: int, recipe: Recipe, *, act: Act | None = None, **options: Any
) -> list[Ended]:
    """Train a recipe on so many processes."""
    return run(train_here, recipe, options, act, world_size=world_size)


def finish_on(world_size: int, recipe: Recipe, **options: Any) -> Path:
    """Train to the end; the run's folder."""
    ended = train_on(world_size, recipe, **options)
    assert all(e.code == 0 for e in ended), [e.err for e in ended]
    return run_path(recipe)


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def read_run(folder: Path) -> dict[str, Any]:
    run: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return run


def read_losses(folder: Path) -> dict[int, float]:
    lines = read_lines(folder / "metrics.jsonl")
    return {line["global_step"]: line["train/loss"] for line in lines if "train/loss" in line}


def read_predictions(folder: Path) -> dict[str, str]:
    """What each evaluation answered: file -> text."""
    paths = sorted(folder.glob("eval/*/*/predictions.json"))
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


def read_bits(folder: Path) -> dict[str, Any]:
    """All that must be the same, bit for bit, in a run that was stopped and one never stopped."""
    last = folder / "checkpoints" / read_run(folder)["result"]["checkpoint"]
    files = [*last.rglob("*.safetensors"), *folder.glob("eval/*/*/*.json")]
    metrics = [
        {name: value for name, value in line.items() if not name.startswith(TIMED)}
        for line in read_lines(folder / "metrics.jsonl")
    ]
    bits: dict[str, Any] = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    rounds = folder / "ranks.jsonl"
    return bits | {"rounds": read_lines(rounds) if rounds.exists() else [], "metrics": metrics}


def assert_bit_equal(one: Path, other: Path) -> None:
    first, second = read_bits(one), read_bits(other)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def assert_equal(one: Path, other: Path) -> None:
    """Of runs on different numbers of processes: all decisions the same, losses but for roundings.

    Both are asserted to have trained, answered and evaluated something.
    """
    losses, others = read_losses(one), read_losses(other)
    assert len(losses) == read_run(one)["plan"]["total_steps"]
    assert others == pytest.approx(losses, abs=LOSS_TOLERANCE)
    answers = read_predictions(one)
    assert answers == read_predictions(other)
    assert all(any(json.loads(text).values()) for text in answers.values()) and answers
    results = [read_run(folder)["result"] for folder in (one, other)]
    for key in ("ranks", "num_rounds", "num_revived", "checkpoint", "best_checkpoint"):
        assert results[0][key] == results[1][key], key
    for key in ("exact", "f1"):  # the others hold thresholds, which are scores
        assert results[0]["metrics"][key] == results[1]["metrics"][key]


def assert_same_rounds(one: Path, other: Path, *, start_budget: int, min_revived: int = 1) -> None:
    """The same triplets are chosen in every round; at least 10 rounds prune, and one revives."""
    rounds, others = (read_lines(folder / "ranks.jsonl") for folder in (one, other))
    for key in ("global_step", "budget", "ranks", "revived", "mask_hash"):
        assert [line[key] for line in rounds] == [line[key] for line in others]
    budgets = [start_budget, *(line["budget"] for line in rounds)]
    assert sum(after < before for before, after in zip(budgets, budgets[1:], strict=False)) >= 10
    assert all(sum(line["ranks"].values()) == line["budget"] for line in rounds)
    assert sum(line["revived"] for line in rounds) >= min_revived


class OnOne:
    """Acts on one process as a step of it begins.

    Args:
        rank: of the process.
        step: before which.
    """

    def __init__(self, rank: int, step: int) -> None:
        self.rank, self.step = rank, step

    def __call__(self, trainer: Trainer, step: int) -> None:
        if (trainer.processes.world.global_rank, step) == (self.rank, self.step):
            self.act(trainer)

    def act(self, trainer: Trainer) -> None:
        raise NotImplementedError


class SignalAt(OnOne):
    """Sends one process a signal."""

    def __init__(self, rank: int, step: int, number: int) -> None:
        super().__init__(rank, step)
        self.number = number

    def act(self, trainer: Trainer) -> None:
        os.kill(os.getpid(), self.number)


class Poison(OnOne):
    """Makes one process's loss NaN from a step on."""

    def act(self, trainer: Trainer) -> None:
        whole = trainer.loss
        trainer.loss = lambda model, batch: whole(model, batch) * math.nan
