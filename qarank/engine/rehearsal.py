"""A few steps before the first: what a step costs, and whether its loss is finite at all.

Only the work of a step is done, no step: the trainer is left bit for bit as it was. Each process
rehearses the dearest share of a batch by itself, so nothing is said between processes.

Dims: num_rows: of the whole data; batch: rows of a step, over all processes.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from qarank.engine.balance import split_rows
from qarank.engine.generators import read_generators, set_generators
from qarank.engine.loop import Trainer
from qarank.engine.memory import telling_full_memory
from qarank.engine.predict import run_inference
from qarank.errors import NonFiniteError

NUM_TYPICAL = 2
FIRST_STEP = 1

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Rehearsed:
    """What one batch took.

    Attributes:
        num_rows: of it.
        num_tokens: of it, padding of its micro-batches included.
        seconds: wall time.
        loss: mean over its rows.
    """

    num_rows: int
    num_tokens: int
    seconds: float
    loss: float


def choose_rehearsal(lengths: Ints, batches: Sequence[Ints], *, parts: int = 1) -> list[Ints]:
    """Batches that show what a run costs: its worst and warm-up first, then two typical ones.

    Args:
        lengths: (num_rows,) tokens of each row.
        batches: (batch,) row numbers each, of steps that the run will take.
        parts: processes; of each batch, the dearest share is chosen.

    Returns:
        The share of as many longest rows as the largest batch has, then those of the batches
        whose cost is nearest to the mean; fewer where there are fewer batches.
    """
    size = max(len(rows) for rows in batches)
    longest = np.argsort(-lengths, kind="stable")[:size]
    shares = [dearest_share(lengths, rows, parts=parts) for rows in batches]
    costs = np.array([_cost(lengths[rows]) for rows in shares])
    nearest = np.argsort(np.abs(costs - costs.mean()), kind="stable")[:NUM_TYPICAL]
    return [dearest_share(lengths, longest, parts=parts), *(shares[place] for place in nearest)]


def dearest_share(lengths: Ints, rows: Ints, *, parts: int) -> Ints:
    """The rows of the process that a step waits for; see balance.split_rows."""
    of_rows = lengths[rows]
    places = max(split_rows(of_rows, parts), key=lambda share: _cost(of_rows[share]))
    return rows[places]


def _cost(lengths: Ints) -> int:
    return len(lengths) * int(lengths.max(initial=0))


def rehearse(trainer: Trainer, batches: Sequence[np.ndarray]) -> list[Rehearsed]:
    """Do the forward and backward work of steps, the penalty's too, and take no step.

    Parameters, buffers, optimizer, scaler, generators and the modules' modes are as before,
    gradients are None.

    Raises:
        NonFiniteError: a loss is NaN or infinite before any step has been taken.
        RunError: the device's memory is full.
    """
    with _leaving_no_trace(trainer):
        trainer.model.train()
        return [_rehearse_batch(trainer, rows) for rows in batches]


def time_inference(trainer: Trainer, rows: np.ndarray) -> Rehearsed:
    """A forward pass in evaluation mode and the loss of it; as `rehearse`, nothing is changed."""
    with _leaving_no_trace(trainer):
        started = _now(trainer.device)
        losses = run_inference(
            trainer.model,
            _cut(rows, trainer.settings.micro_batch_size),
            load=trainer.data.load,
            reduce=trainer.loss,
            device=trainer.device,
            autocast=trainer.settings.autocast,
        )
        seconds = _now(trainer.device) - started
        loss = float(torch.stack(losses).sum()) / len(rows)
    return Rehearsed(len(rows), count_tokens(trainer, rows), seconds, loss)


def count_tokens(trainer: Trainer, rows: np.ndarray) -> int:
    """Entries of the largest tensor of each micro-batch: tokens, padding included."""
    return sum(
        max(tensor.numel() for tensor in trainer.data.load(part).values())
        for part in _cut(rows, trainer.settings.micro_batch_size)
    )


def _rehearse_batch(trainer: Trainer, rows: np.ndarray) -> Rehearsed:
    started = _now(trainer.device)
    with telling_full_memory(
        "out of memory before the first step, in a batch of the longest rows; lower "
        "train.micro_batch_size, or set train.gradient_checkpointing"
    ):
        loss = float(trainer.backward_rows(rows, num_rows=len(rows)))
        trainer.backward_penalty(FIRST_STEP)
    seconds = _now(trainer.device) - started
    trainer.optimizer.zero_grad(set_to_none=True)
    if not math.isfinite(loss):
        raise NonFiniteError(
            f"the first batch, before any step: the loss is {loss}; the model overflows in this "
            "precision, or its weights are damaged: try train.precision fp32 or bf16"
        )
    return Rehearsed(len(rows), count_tokens(trainer, rows), seconds, loss)


@contextmanager
def _leaving_no_trace(trainer: Trainer) -> Iterator[None]:
    generators = read_generators(trainer.device)
    modes = [(module, module.training) for module in trainer.model.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in trainer.model.buffers()]
    try:
        yield
    finally:
        trainer.optimizer.zero_grad(set_to_none=True)
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
        set_generators(generators, trainer.device)


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _now(device: torch.device) -> float:
    """The time when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
