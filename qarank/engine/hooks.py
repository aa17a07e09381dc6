"""What the loop asks of those around it: data, a loss, and two moments a step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from torch import Tensor, nn

from qarank.engine.signals import NOTHING, Requests

Batch = Mapping[str, Tensor]
LossFunction = Callable[[nn.Module, Batch], Tensor]  # the sum over the rows of a batch


class StepData(Protocol):
    """Rows for each step, decided by the step's number alone, so that a run can be resumed."""

    def rows_at(self, global_step: int) -> np.ndarray:
        """Row numbers of a global batch, (batch,) int64; the first step is 1."""

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """What each row costs, (batch,) int64 of at least 1: processes get like shares."""

    def names(self, rows: np.ndarray) -> list[str]:
        """What a message calls each row."""

    def load(self, rows: np.ndarray) -> Batch:
        """Those rows as padded tensors on the CPU."""


class StepHook(Protocol):
    """Acts inside a step, while the step's gradients are still there."""

    def after_optimizer_step(self, global_step: int, *, skipped: bool) -> None:
        """Called after each attempted optimizer step, before gradients are cleared."""


@dataclass(frozen=True)
class StepReport:
    """What a step was.

    Attributes:
        global_step: attempted optimizer steps so far, 1 after the first.
        loss: task loss, mean over the step's rows.
        penalty: weighted penalty added to it; 0 where there is none.
        grad_norm: of all trained parameters, before clipping.
        learning_rate: the step's.
        num_rows: rows of the global batch.
        skipped: whether the optimizer step was left out for non-finite gradients.
        seconds: wall time.
        seconds_by_part: what the time went into; on a GPU, work is waited for where a number is
            first read, so a part may pay for the one before.
        requests: what signals asked for, the same on every process.
    """

    global_step: int
    loss: float
    penalty: float
    grad_norm: float
    learning_rate: float
    num_rows: int
    skipped: bool
    seconds: float
    seconds_by_part: Mapping[str, float] = field(default_factory=dict)
    requests: Requests = NOTHING


Listener = Callable[[StepReport], None]
