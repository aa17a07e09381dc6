import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from qarank.engine.hooks import Batch, StepReport
from qarank.engine.loop import LoopSettings, Trainer
from qarank.engine.optim import build_optimizer
from qarank.engine.rehearsal import (
    choose_rehearsal,
    count_tokens,
    dearest_share,
    rehearse,
    time_inference,
)
from qarank.errors import NonFiniteError, RunError

WIDTH, NUM_ROWS = 5, 24
STEPS = [np.arange(0, 10), np.arange(10, 20), np.arange(20, 24)]


class Rows:
    """24 rows of 1 to 24 tokens, each token WIDTH numbers, padded with zeros."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.tokens = torch.randn(NUM_ROWS, NUM_ROWS, WIDTH, generator=generator)
        self.targets = torch.randn(NUM_ROWS, generator=generator)

    def rows_at(self, global_step: int) -> np.ndarray:
        return STEPS[(global_step - 1) % 3]

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        return rows + 1

    def names(self, rows: np.ndarray) -> list[str]:
        return [str(row) for row in rows]

    def load(self, rows: np.ndarray) -> Batch:
        seq = int(rows.max()) + 1
        is_token = torch.arange(seq) < torch.from_numpy(rows + 1)[:, None]
        inputs = self.tokens[rows, :seq] * is_token[:, :, None]
        return {"mask": is_token, "inputs": inputs.sum(-1), "targets": self.targets[rows]}


class Net(nn.Module):
    """With all that a forward pass may leave a trace in: dropout, and statistics in buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
        self.head = nn.Linear(4, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs.mean(dim=1, keepdim=True))).squeeze(-1)


def squared_error(model: nn.Module, batch: Batch) -> Tensor:
    return ((model(batch["inputs"]) - batch["targets"]) ** 2).sum()


def build_trainer(
    *,
    loss: Callable[[nn.Module, Batch], Tensor] = squared_error,
    penalty: Callable[[nn.Module], Tensor] | None = None,
    **changed: Any,
) -> Trainer:
    torch.manual_seed(0)
    model = Net()
    settings = {"total_steps": 6, "micro_batch_size": 4, "max_grad_norm": 0.5} | changed
    return Trainer(
        model,
        data=Rows(),
        loss=loss,
        optimizer=build_optimizer(model.parameters(), learning_rate=0.0, weight_decay=0.0),
        learning_rate=lambda global_step: 0.01 * global_step,
        settings=LoopSettings(**settings),
        penalty=None if penalty is None else lambda: penalty(model),
    )


def snapshot(trainer: Trainer) -> dict[str, Any]:
    """Everything a rehearsal could change, by value."""
    return {
        "weights": {name: t.clone() for name, t in trainer.model.state_dict().items()},
        "gradients": [p.grad for p in trainer.parameters],
        "optimizer": [
            {key: value.clone() for key, value in state.items()}
            for state in trainer.optimizer.state.values()
        ],
        "rates": [group["lr"] for group in trainer.optimizer.param_groups],
        "generator": torch.get_rng_state(),
        "modes": [module.training for module in trainer.model.modules()],
        "scaler": trainer.scaler.state_dict(),
        "skipped": trainer.num_skipped,
    }


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    torch.testing.assert_close(after, before, atol=0, rtol=0)


@pytest.mark.parametrize("loss_scaling", [False, True])
@pytest.mark.parametrize("steps_before", [0, 2])
def test_a_rehearsal_leaves_everything_bit_for_bit_as_it_was(
    steps_before: int, loss_scaling: bool
) -> None:
    trainer = build_trainer(
        loss_scaling=loss_scaling, penalty=lambda model: model.head.weight.square().sum()
    )
    for step in range(1, steps_before + 1):
        trainer.train_step(step)
    trainer.model.head.eval()  # a mode of its own comes back too
    before = snapshot(trainer)
    rehearse(trainer, STEPS)
    assert_same(before, snapshot(trainer))
    time_inference(trainer, STEPS[0])
    assert_same(before, snapshot(trainer))


def test_training_after_a_rehearsal_is_training_without() -> None:
    def fit(*, rehearsed: bool) -> tuple[list[float], dict[str, Tensor]]:
        trainer, reports = build_trainer(), list[StepReport]()
        torch.manual_seed(9)
        if rehearsed:
            rehearse(trainer, STEPS)
            time_inference(trainer, STEPS[0])
        trainer.fit([reports.append])
        return [report.loss for report in reports], dict(trainer.model.state_dict())

    assert_same(
        dict(zip("lw", fit(rehearsed=False), strict=True)),
        dict(zip("lw", fit(rehearsed=True), strict=True)),
    )


def test_the_work_of_a_step_is_done_dropout_penalty_and_accumulation_included() -> None:
    seen: list[tuple[bool, int]] = []

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        seen.append((model.training, len(batch["targets"])))
        return squared_error(model, batch)

    penalties: list[int] = []

    def penalty(model: nn.Module) -> Tensor:
        penalties.append(1)
        return model.head.weight.sum() * 0.0

    trainer = build_trainer(loss=loss, penalty=penalty)
    torch.manual_seed(3)
    done = rehearse(trainer, STEPS[:1])
    assert seen == [(True, 4), (True, 4), (True, 2)]
    assert len(penalties) == 1
    torch.manual_seed(3)
    assert done[0].loss == pytest.approx(trainer.train_step(1).loss)
    assert (done[0].num_rows, done[0].seconds > 0) == (10, True)


def test_tokens_count_the_padding_of_each_micro_batch() -> None:
    trainer = build_trainer()
    assert count_tokens(trainer, STEPS[0]) == 4 * 4 + 4 * 8 + 2 * 10
    assert [done.num_tokens for done in rehearse(trainer, STEPS[:2])] == [68, 4 * 14 + 4 * 18 + 40]


def test_inference_is_timed_without_dropout_and_without_gradients() -> None:
    seen: list[tuple[bool, bool]] = []

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        seen.append((model.training, torch.is_grad_enabled()))
        return squared_error(model, batch)

    done = time_inference(build_trainer(loss=loss), STEPS[1])
    assert set(seen) == {(False, False)}
    assert (done.num_rows, done.num_tokens) == (10, 168)
    assert math.isfinite(done.loss) and done.seconds > 0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_first_loss_that_is_not_finite_is_told_as_such_and_leaves_no_trace(
    value: float,
) -> None:
    trainer = build_trainer(loss=lambda model, batch: squared_error(model, batch) * value)
    before = snapshot(trainer)
    with pytest.raises(NonFiniteError) as caught:
        rehearse(trainer, STEPS)
    line = str(caught.value)
    assert line.startswith(f"the first batch, before any step: the loss is {value};")
    assert "try train.precision fp32 or bf16" in line and "\n" not in line
    assert_same(before, snapshot(trainer))


def test_full_memory_is_told_before_the_first_step() -> None:
    def loss(model: nn.Module, batch: Batch) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(RunError, match=r"before the first step.*lower train\.micro_batch_size"):
        rehearse(build_trainer(loss=loss), STEPS)


def cut(order: Sequence[int], size: int) -> list[np.ndarray]:
    rows = np.array(order, dtype=np.int64)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


LENGTHS = st.lists(st.integers(1, 400), min_size=1, max_size=60).map(np.array)


@given(LENGTHS, st.integers(1, 9), st.integers(1, 4), st.randoms(use_true_random=False))
def test_the_worst_batch_comes_first_and_no_step_costs_more(
    lengths: np.ndarray, size: int, parts: int, random: Any
) -> None:
    order = list(range(len(lengths)))
    random.shuffle(order)
    batches = cut(order, size)
    chosen = choose_rehearsal(lengths, batches, parts=parts)
    assert len(chosen) == 1 + min(2, len(batches))
    costs = [len(rows) * int(lengths[rows].max()) for rows in chosen]
    assert costs[0] == max(costs)
    shares = [dearest_share(lengths, rows, parts=parts) for rows in batches]
    every = [len(rows) * int(lengths[rows].max()) for rows in shares]
    assert costs[0] >= max(every)
    distances = sorted(abs(cost - np.mean(every)) for cost in every)
    assert [abs(cost - np.mean(every)) for cost in costs[1:]] == pytest.approx(distances[:2])


def test_alone_the_longest_rows_fill_the_first_batch() -> None:
    lengths = np.array([5, 9, 7, 1, 8, 6])
    first, *typical = choose_rehearsal(lengths, cut([3, 0, 5, 2, 4, 1], 2))
    assert first.tolist() == [1, 4]
    assert [rows.tolist() for rows in typical] == [[5, 2], [3, 0]]  # cost 14, 10; the mean is 14


def test_of_several_processes_the_dearest_share_is_taken() -> None:
    lengths = np.array([100, 10, 10, 10, 10, 10])
    share = dearest_share(lengths, np.arange(6), parts=2)
    assert share.tolist() == [0]
