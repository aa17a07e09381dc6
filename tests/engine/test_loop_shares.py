"""A step shared by processes, asked for things, and stopped by a loss that is not finite."""

import math
import signal
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qarank.engine.distributed import ALONE, Processes
from qarank.engine.environment import World
from qarank.engine.generators import set_generators
from qarank.engine.hooks import Batch, StepReport
from qarank.engine.loop import LoopSettings, Trainer
from qarank.engine.optim import build_optimizer
from qarank.engine.signals import NOTHING, Requests
from qarank.errors import NonFiniteError

CPU = torch.device("cpu")
BATCHES = [np.arange(9), np.arange(9, 16), np.array([16])]  # the last one is smaller than two


class Rows:
    """17 random rows of unequal cost, in three steps; notes the rows of each load."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(17, 5, generator=generator)
        self.loaded: list[list[int]] = []

    def rows_at(self, global_step: int) -> np.ndarray:
        return BATCHES[(global_step - 1) % 3]

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        return 1 + (7 * rows) % 11

    def names(self, rows: np.ndarray) -> list[str]:
        return [f"q{row}" for row in rows]

    def load(self, rows: np.ndarray) -> Batch:
        self.loaded.append(rows.tolist())
        return {"inputs": self.inputs[rows]}


def output_squared(model: nn.Module, batch: Batch) -> Tensor:
    return (model(batch["inputs"]) ** 2).sum()


def build_model(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Dropout(dropout), nn.Linear(4, 1))


def build_trainer(
    model: nn.Module,
    *,
    processes: Processes = ALONE,
    loss: Callable[[nn.Module, Batch], Tensor] = output_squared,
    **more: Any,
) -> Trainer:
    return Trainer(
        model,
        data=Rows(),
        loss=loss,
        optimizer=build_optimizer(model.parameters(), learning_rate=0.0, weight_decay=0.0),
        learning_rate=lambda _: 0.01,
        settings=LoopSettings(total_steps=3, micro_batch_size=2),
        penalty=lambda: 0.1 * next(model.parameters()).square().sum(),
        processes=processes,
        **more,
    )


def flat_weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("size", [1, 2, 3, 12])
def test_shares_are_the_batch_each_row_once(size: int) -> None:
    trainers = [
        build_trainer(build_model(), processes=Processes(World(rank, rank, size, size)))
        for rank in range(size)
    ]
    for rows in BATCHES:
        shares = [trainer.share(rows) for trainer in trainers]
        assert sorted(np.concatenate(shares).tolist()) == rows.tolist()
    assert trainers[0].share(BATCHES[2]).tolist() == [16]
    assert all(len(trainer.share(BATCHES[2])) == 0 for trainer in trainers[1:])


@pytest.mark.parametrize("size", [2, 3])
def test_processes_together_train_as_one_whatever_their_numbers_of_micro_batches(
    size: int, run_together: Callable[..., list[Any]]
) -> None:
    alone = build_trainer(build_model())
    expected: list[StepReport] = []
    alone.fit([expected.append])
    models = [build_model() for _ in range(size)]

    def train(processes: Processes) -> tuple[list[StepReport], list[list[int]]]:
        trainer = build_trainer(models[processes.world.global_rank], processes=processes)
        reports: list[StepReport] = []
        trainer.fit([reports.append])
        return reports, trainer.data.loaded  # type: ignore[attr-defined]

    outcomes = run_together(train, size)
    sizes = {tuple(len(rows) for rows in loaded) for _, loaded in outcomes}
    assert len(sizes) == size, "or the test says little"
    for reports, _ in outcomes:
        for mine, theirs in zip(reports, expected, strict=True):
            assert mine.loss == pytest.approx(theirs.loss, abs=1e-6)
            assert mine.penalty == pytest.approx(theirs.penalty, abs=1e-6)
            assert mine.grad_norm == pytest.approx(theirs.grad_norm, rel=1e-5)
            assert mine.num_rows == theirs.num_rows
    for model in models:
        assert torch.equal(flat_weights(model), flat_weights(models[0]))
        torch.testing.assert_close(
            flat_weights(model), flat_weights(alone.model), atol=1e-6, rtol=0
        )


def asking_at(step: int, asked: Requests) -> Any:
    """Signals that ask for something in one step."""
    calls = iter(range(1, 100))
    return SimpleNamespace(take=lambda: asked if next(calls) == step else NOTHING)


@pytest.mark.parametrize("asked", [Requests(save=True), Requests(stop=signal.SIGTERM)])
def test_a_request_is_told_after_the_steps_listeners(asked: Requests) -> None:
    seen: list[Any] = []
    build_trainer(build_model(), signals=asking_at(2, asked)).fit(
        [lambda report: seen.append(report.global_step)],
        on_request=lambda step, requests: seen.append((step, requests)),
    )
    assert seen == [1, 2, (2, asked), 3]


def test_what_one_process_is_asked_every_process_hears_after_the_same_step(
    run_together: Callable[..., list[Any]],
) -> None:
    models = [build_model() for _ in range(2)]

    def train(processes: Processes) -> list[Any]:
        rank, heard = processes.world.global_rank, []
        asked = Requests(stop=signal.SIGINT) if rank == 1 else Requests(save=True)
        trainer = build_trainer(
            models[rank], processes=processes, signals=asking_at(1 + rank, asked)
        )
        trainer.fit(on_request=lambda step, requests: heard.append((step, requests)))
        return heard

    agreed = [(1, Requests(save=True)), (2, Requests(stop=signal.SIGINT))]
    assert run_together(train, 2) == [agreed, agreed]


def not_finite_at(step: int, row: int) -> Callable[[nn.Module, Batch], Tensor]:
    """A loss that is NaN for one row's inputs once the model has been changed step - 1 times."""
    bad = Rows().inputs[row]
    visits = iter(range(1, 100))

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        is_bad = bool((batch["inputs"] == bad).all(dim=1).any())
        factor = math.nan if is_bad and next(visits) == step else 1.0
        return output_squared(model, batch) * factor

    return loss


def test_a_bad_loss_names_the_rows_of_its_micro_batch_alone() -> None:
    trainer = build_trainer(build_model(), loss=not_finite_at(1, row=4))
    with pytest.raises(NonFiniteError, match=r"^step 1: the loss is nan; .* of its batch: q4, q5$"):
        trainer.fit()


def test_a_bad_loss_stops_every_process_before_the_step_with_one_message(
    run_together: Callable[..., list[Any]],
) -> None:
    models = [build_model() for _ in range(2)]
    trainers: list[Trainer] = []

    def train(processes: Processes) -> None:
        model = models[processes.world.global_rank]
        trainers.append(build_trainer(model, processes=processes, loss=not_finite_at(1, row=10)))
        trainers[-1].fit()

    errors = run_together(train, 2)
    assert all(isinstance(error, NonFiniteError) for error in errors), errors
    assert str(errors[0]) == str(errors[1])
    assert str(errors[0]).startswith("step 2: the loss is nan") and "q10" in str(errors[0])
    assert torch.equal(flat_weights(models[0]), flat_weights(models[1]))
    assert [trainer.held_step for trainer in trainers] == [1, 1]


class HeldSteps:
    """A hook that notes which step's weights the model is said to hold."""

    trainer: Trainer

    def __init__(self) -> None:
        self.seen: list[int | None] = []

    def after_optimizer_step(self, global_step: int, *, skipped: bool) -> None:
        self.seen.append(self.trainer.held_step)


def test_within_an_update_the_weights_are_of_no_step() -> None:
    hook = HeldSteps()
    hook.trainer = trainer = build_trainer(build_model(), hooks=[hook])
    after: list[int | None] = []
    assert trainer.held_step == 0
    trainer.fit([lambda _: after.append(trainer.held_step)])
    assert hook.seen == [None, None, None]
    assert after == [1, 2, 3]


def test_the_generators_kept_are_those_from_before_the_step() -> None:
    def loss_of_step_2(states: Any = None) -> tuple[float, Any]:
        trainer = build_trainer(build_model(dropout=0.5))
        torch.manual_seed(5)
        trainer.train_step(1)
        if states is not None:
            torch.rand(7)  # as an evaluation might
            set_generators(states, CPU)
        return trainer.train_step(2).loss, trainer.generators

    loss, states = loss_of_step_2()
    assert loss_of_step_2(states)[0] == loss


def test_a_steps_time_is_split_into_its_parts() -> None:
    report = build_trainer(build_model()).train_step(1)
    parts = {"data", "forward_backward", "reduce", "penalty", "optimizer", "hooks"}
    assert set(report.seconds_by_part) == parts
    assert report.seconds == pytest.approx(sum(report.seconds_by_part.values()))
