import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qarank.engine.hooks import Batch, StepReport
from qarank.engine.loop import LoopSettings, Trainer
from qarank.engine.optim import build_optimizer
from qarank.errors import NonFiniteError

NUM_INPUTS = 5
ROWS_OF_STEP = {1: np.arange(10), 2: np.arange(10, 20), 3: np.arange(20, 23)}


class Rows:
    """23 random rows in three steps, the last one smaller; notes the size of each load."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(23, NUM_INPUTS, generator=generator)
        self.targets = torch.randn(23, generator=generator)
        self.loaded: list[int] = []

    def rows_at(self, global_step: int) -> np.ndarray:
        return ROWS_OF_STEP[(global_step - 1) % 3 + 1]

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        return 1 + rows % 7

    def names(self, rows: np.ndarray) -> list[str]:
        return [f"row {row}" for row in rows]

    def load(self, rows: np.ndarray) -> Batch:
        self.loaded.append(len(rows))
        return {"inputs": self.inputs[rows], "targets": self.targets[rows]}


def squared_error(model: nn.Module, batch: Batch) -> Tensor:
    return ((model(batch["inputs"]).squeeze(-1) - batch["targets"]) ** 2).sum()


def build_model(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(NUM_INPUTS, 4), nn.Tanh(), nn.Dropout(dropout), nn.Linear(4, 1))


class GradientNotes:
    """A hook that keeps what it sees."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.gradients: list[Tensor] = []
        self.calls: list[tuple[int, bool]] = []

    def after_optimizer_step(self, global_step: int, *, skipped: bool) -> None:
        self.calls.append((global_step, skipped))
        self.gradients.append(flat_gradient(self.model))


def flat_gradient(model: nn.Module) -> Tensor:
    return torch.cat([p.grad.flatten().clone() for p in model.parameters() if p.grad is not None])


def flat_weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def build_trainer(
    model: nn.Module,
    *,
    loss: Callable[[nn.Module, Batch], Tensor] = squared_error,
    penalty: Callable[[], Tensor] | None = None,
    **changed: Any,
) -> tuple[Trainer, GradientNotes]:
    notes = GradientNotes(model)
    settings = {"total_steps": 3, "micro_batch_size": 32, "max_grad_norm": 0.0} | changed
    trainer = Trainer(
        model,
        data=Rows(),
        loss=loss,
        optimizer=build_optimizer(model.parameters(), learning_rate=0.0, weight_decay=0.0),
        learning_rate=lambda global_step: 0.01 * global_step,
        settings=LoopSettings(**settings),
        penalty=penalty,
        hooks=[notes],
    )
    return trainer, notes


def fit(trainer: Trainer) -> list[StepReport]:
    reports: list[StepReport] = []
    trainer.fit([reports.append])
    return reports


@pytest.mark.parametrize("micro_batch_size", [1, 3, 4, 7, 9])
def test_micro_batches_of_unequal_size_equal_one_big_batch(micro_batch_size: int) -> None:
    big, big_notes = build_trainer(build_model())
    small, notes = build_trainer(build_model(), micro_batch_size=micro_batch_size)
    big_reports, reports = fit(big), fit(small)
    assert max(small.data.loaded) == micro_batch_size  # type: ignore[attr-defined]
    assert [r.loss for r in reports] == pytest.approx([r.loss for r in big_reports], abs=1e-6)
    torch.testing.assert_close(notes.gradients, big_notes.gradients, atol=1e-6, rtol=0)
    weights = [flat_weights(trainer.model) for trainer in (small, big)]
    torch.testing.assert_close(*weights, atol=1e-6, rtol=0)


@pytest.mark.parametrize("step", [1, 3])
def test_a_loss_is_the_sum_over_the_batch_by_its_own_number_of_rows(step: int) -> None:
    model = build_model()
    trainer, notes = build_trainer(model, micro_batch_size=2)
    rows = ROWS_OF_STEP[step]
    expected = squared_error(model, trainer.data.load(rows)) / len(rows)
    gradient = torch.autograd.grad(expected, list(model.parameters()))
    report = trainer.train_step(step)
    assert (report.loss, report.num_rows) == (pytest.approx(float(expected.detach())), len(rows))
    flat = torch.cat([part.flatten() for part in gradient])
    torch.testing.assert_close(notes.gradients[0], flat, atol=1e-6, rtol=0)


@pytest.mark.parametrize("max_grad_norm", [0.0, 0.1, 1e6])
def test_the_penalty_enters_once_and_before_clipping_which_is_torchs(max_grad_norm: float) -> None:
    model, calls = build_model(), []

    def penalty() -> Tensor:
        calls.append(1)
        return 0.5 * sum((p**2).sum() for p in model.parameters())  # type: ignore[return-value]

    changed = {"micro_batch_size": 3, "max_grad_norm": max_grad_norm}
    trainer, notes = build_trainer(model, penalty=penalty, **changed)
    reference = build_model()
    expected_penalty = 0.5 * sum((p**2).sum() for p in reference.parameters())
    mean = squared_error(reference, Rows().load(ROWS_OF_STEP[1])) / 10
    torch.autograd.backward(mean + expected_penalty)
    norm = nn.utils.clip_grad_norm_(reference.parameters(), max_grad_norm or math.inf)

    report = trainer.train_step(1)
    assert len(calls) == 1
    assert report.penalty == pytest.approx(float(expected_penalty.detach()), abs=1e-6)
    assert report.loss == pytest.approx(float(mean.detach()), abs=1e-6), "the penalty is told apart"
    assert report.grad_norm == pytest.approx(float(norm), rel=1e-5), "as it was before clipping"
    torch.testing.assert_close(notes.gradients[0], flat_gradient(reference), atol=1e-6, rtol=1e-5)
    if max_grad_norm == 0.1:
        assert float(notes.gradients[0].norm()) == pytest.approx(0.1, rel=1e-4)


def bad_gradient_at(step: int, model: nn.Module) -> Callable[[], Tensor]:
    """A penalty whose value is 0 at every step and whose gradient is NaN at one."""
    steps = iter(range(1, 100))

    def penalty() -> Tensor:
        zero = sum(p.sum() for p in model.parameters()) * 0.0
        return torch.sqrt(zero) if next(steps) == step else zero  # type: ignore[arg-type]

    return penalty


@pytest.mark.parametrize("loss_scaling", [False, True])
def test_a_gradient_that_is_not_finite_skips_the_step_but_not_its_number(
    loss_scaling: bool,
) -> None:
    model = build_model()
    changed = {"max_grad_norm": 1.0, "loss_scaling": loss_scaling}
    trainer, notes = build_trainer(model, penalty=bad_gradient_at(2, model), **changed)
    weights: list[Tensor] = []
    reports: list[StepReport] = []
    trainer.fit([reports.append, lambda _: weights.append(flat_weights(model).clone())])
    assert torch.equal(weights[1], weights[0]) and not torch.equal(weights[2], weights[1])
    assert [report.skipped for report in reports] == [False, True, False]
    assert [report.learning_rate for report in reports] == [0.01, 0.02, 0.03]
    assert notes.calls == [(1, False), (2, True), (3, False)]
    assert not math.isfinite(reports[1].grad_norm)
    assert trainer.num_skipped == 1
    adam_steps = {float(state["step"]) for state in trainer.optimizer.state.values()}
    assert adam_steps == {2.0}


def test_loss_scaling_changes_neither_gradients_nor_weights() -> None:
    plain, plain_notes = build_trainer(build_model(), max_grad_norm=0.5)
    scaled, notes = build_trainer(build_model(), max_grad_norm=0.5, loss_scaling=True)
    losses = [[report.loss for report in fit(trainer)] for trainer in (plain, scaled)]
    assert losses[0] == pytest.approx(losses[1])
    torch.testing.assert_close(notes.gradients, plain_notes.gradients, atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(flat_weights(scaled.model), flat_weights(plain.model))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_training_and_names_the_step(value: float) -> None:
    losses = iter([1.0, value])  # one a step
    trainer, notes = build_trainer(
        build_model(), loss=lambda model, batch: squared_error(model, batch) * next(losses)
    )
    with pytest.raises(NonFiniteError, match=rf"^step 2: the loss is {value}; .*: row 10, row 11"):
        trainer.fit()
    assert notes.calls == [(1, False)], "nobody scores the step that failed"


def test_a_penalty_that_is_not_finite_ends_training_too() -> None:
    model = build_model()
    trainer, _ = build_trainer(model, penalty=lambda: next(model.parameters()).sum() * math.inf)
    with pytest.raises(NonFiniteError, match=r"^step 1: the penalty is -?(inf|nan)"):
        trainer.fit()


def test_hooks_see_gradients_and_listeners_come_after_they_are_cleared() -> None:
    model, seen = build_model(), []
    trainer, notes = build_trainer(model)

    def listen(report: StepReport) -> None:
        assert all(p.grad is None for p in model.parameters())
        seen.append((report.global_step, len(notes.calls)))

    trainer.fit([listen])
    assert seen == [(1, 1), (2, 2), (3, 3)]
    assert all(gradient.abs().sum() > 0 for gradient in notes.gradients)


def test_two_runs_with_one_seed_are_bitwise_equal_dropout_included() -> None:
    def train(seed: int) -> tuple[list[float], Tensor]:
        trainer, _ = build_trainer(build_model(dropout=0.5), total_steps=6, micro_batch_size=4)
        torch.manual_seed(seed)
        return [report.loss for report in fit(trainer)], flat_weights(trainer.model)

    losses, weights = train(9)
    again, weights_again = train(9)
    assert losses == again and torch.equal(weights, weights_again)
    assert train(8)[0] != losses


def test_a_run_can_begin_at_a_later_step() -> None:
    trainer, notes = build_trainer(build_model(), total_steps=5)
    trainer.fit(first_step=4)
    assert [step for step, _ in notes.calls] == [4, 5]


def test_only_the_loss_is_computed_under_autocast() -> None:
    def loss(model: nn.Module, batch: Batch) -> Tensor:
        assert model(batch["inputs"]).dtype == torch.bfloat16
        return squared_error(model, batch)

    def autocast() -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16)

    trainer, notes = build_trainer(build_model(), loss=loss, autocast=autocast)
    fit(trainer)
    assert {gradient.dtype for gradient in notes.gradients} == {torch.float32}


def test_a_step_trains_even_if_an_evaluation_left_the_model_in_eval_mode() -> None:
    trainer, _ = build_trainer(build_model().eval())
    trainer.train_step(1)
    assert trainer.model.training
