"""Loss scaling as fp16 needs it, on a CPU: gradients that overflow in 16 bits."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qarank.engine.hooks import Batch
from qarank.engine.loop import LoopSettings, Trainer
from qarank.engine.optim import build_optimizer

FIRST_SCALE = 65536.0  # GradScaler's


class HalfGradient(torch.autograd.Function):
    """Passes a tensor on; its gradient goes through fp16, whose largest number is 65504."""

    @staticmethod
    def forward(ctx: object, tensor: Tensor) -> Tensor:
        return tensor.clone()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient.half().float()


class Rows:
    """Four rows, the same in every step."""

    def rows_at(self, global_step: int) -> np.ndarray:
        return np.arange(4)

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        return np.ones_like(rows)

    def names(self, rows: np.ndarray) -> list[str]:
        return [str(row) for row in rows]

    def load(self, rows: np.ndarray) -> Batch:
        return {"inputs": torch.linspace(-1, 1, 12).view(4, 3)[rows]}


def steep_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Its gradient at the output is 20 a row: 16 times too much for the first scale."""
    return 20.0 * HalfGradient.apply(model(batch["inputs"])).sum()  # type: ignore[no-untyped-call]


def build_trainer(*, loss_scaling: bool) -> Trainer:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    return Trainer(
        model,
        data=Rows(),
        loss=steep_loss,
        optimizer=build_optimizer(model.parameters(), learning_rate=0.0, weight_decay=0.0),
        learning_rate=lambda _: 0.01,
        settings=LoopSettings(total_steps=8, micro_batch_size=4, loss_scaling=loss_scaling),
    )


def test_the_scale_halves_with_every_skipped_step_until_gradients_fit() -> None:
    trainer = build_trainer(loss_scaling=True)
    scales: list[float] = []
    skipped: list[bool] = []
    trainer.fit(
        [
            lambda report: skipped.append(report.skipped),
            lambda _: scales.append(trainer.scaler.get_scale()),
        ]
    )
    assert skipped == [True] * 3 + [False] * 5
    assert scales == [FIRST_SCALE / 2, FIRST_SCALE / 4] + [FIRST_SCALE / 8] * 6
    assert trainer.num_skipped == 3


def test_skipped_steps_leave_weights_and_averages_alone() -> None:
    trainer = build_trainer(loss_scaling=True)
    before = [p.detach().clone() for p in trainer.parameters]
    for step in (1, 2, 3):
        report = trainer.train_step(step)
        assert report.skipped and not np.isfinite(report.grad_norm)
        assert np.isfinite(report.loss), "a loss is told unscaled"
    assert all(torch.equal(p, b) for p, b in zip(trainer.parameters, before, strict=True))
    assert not trainer.optimizer.state
    trainer.train_step(4)
    assert not any(torch.equal(p, b) for p, b in zip(trainer.parameters, before, strict=True))


def test_the_first_step_that_fits_is_the_one_without_scaling() -> None:
    plain, scaled = build_trainer(loss_scaling=False), build_trainer(loss_scaling=True)
    reports = [scaled.train_step(step) for step in range(1, 5)]
    expected = plain.train_step(4)
    assert reports[-1].loss == expected.loss
    assert reports[-1].grad_norm == pytest.approx(expected.grad_norm, rel=1e-3)  # fp16's rounding
    for mine, theirs in zip(scaled.parameters, plain.parameters, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)


def test_without_scaling_nothing_is_skipped_and_there_is_no_scale_to_keep() -> None:
    trainer = build_trainer(loss_scaling=False)
    trainer.fit()
    assert trainer.num_skipped == 0
    assert trainer.scaler.state_dict() == {}
