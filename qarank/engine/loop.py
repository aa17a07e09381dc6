"""The training loop: steps, each of them accumulated, clipped, applied and reported.

It has never heard of questions or adapters: the loss, the data, the penalty and the hooks come in.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from qarank.engine.hooks import Batch, Listener, LossFunction, StepData, StepHook, StepReport
from qarank.errors import NonFiniteError, RunError


@dataclass(frozen=True)
class LoopSettings:
    """What a step does.

    Attributes:
        total_steps: T, fixed at the start.
        micro_batch_size: rows of one forward pass, at most.
        max_grad_norm: gradients are scaled down to this norm; 0 leaves them alone.
        autocast: makes the context of a forward pass; none by default.
        loss_scaling: scales the loss against fp16 underflow.
    """

    total_steps: int
    micro_batch_size: int
    max_grad_norm: float = 1.0
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext
    loss_scaling: bool = False


class Trainer:
    """Runs optimizer steps over a model.

    Args:
        model: on its device; what requires a gradient is trained.
        data: rows by step.
        loss: (model, batch) -> the sum of the rows' losses, a scalar.
        optimizer: over the trained parameters.
        learning_rate: step -> rate.
        settings: see LoopSettings.
        penalty: a scalar added to the loss once a step, before clipping.
        hooks: act inside a step, in this order.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        data: StepData,
        loss: LossFunction,
        optimizer: torch.optim.Optimizer,
        learning_rate: Callable[[int], float],
        settings: LoopSettings,
        penalty: Callable[[], Tensor] | None = None,
        hooks: Sequence[StepHook] = (),
    ) -> None:
        self.model, self.data, self.loss = model, data, loss
        self.optimizer, self.learning_rate, self.settings = optimizer, learning_rate, settings
        self.penalty, self.hooks = penalty, hooks
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.device = self.parameters[0].device
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=settings.loss_scaling)
        self.num_skipped = 0

    def fit(self, listeners: Sequence[Listener] = (), *, first_step: int = 1) -> None:
        """Train up to the last step, telling each listener of each step.

        Raises:
            NonFiniteError: a loss or penalty is NaN or infinite.
            RunError: the device's memory is full.
        """
        for global_step in range(first_step, self.settings.total_steps + 1):
            try:
                report = self.train_step(global_step)
            except torch.OutOfMemoryError as error:
                raise RunError(
                    f"step {global_step}: out of memory; lower train.micro_batch_size"
                ) from error
            for listener in listeners:
                listener(report)

    def train_step(self, global_step: int) -> StepReport:
        """One optimizer step; a non-finite gradient skips it but not its number."""
        started = time.perf_counter()
        self.model.train()
        rows = self.data.rows_at(global_step)
        rate = self.learning_rate(global_step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self._backward_rows(rows, global_step)
        penalty = self._backward_penalty(global_step)
        grad_norm = self._unscale_and_clip()
        skipped = not math.isfinite(grad_norm)
        self._apply(skipped)
        for hook in self.hooks:
            hook.after_optimizer_step(global_step, skipped=skipped)
        self.optimizer.zero_grad(set_to_none=True)
        seconds = time.perf_counter() - started
        return StepReport(global_step, loss, penalty, grad_norm, rate, len(rows), skipped, seconds)

    def _backward_rows(self, rows: np.ndarray, global_step: int) -> float:
        """Accumulate gradients of the sum of losses over the number of rows; return the mean."""
        total = torch.zeros((), device=self.device)
        for batch in self._micro_batches(rows):
            with self.settings.autocast():
                loss = self.loss(self.model, batch) / len(rows)
            torch.autograd.backward(self.scaler.scale(loss))
            total += loss.detach()
        return _finite(total, "loss", global_step)

    def _micro_batches(self, rows: np.ndarray) -> Iterator[Batch]:
        for start in range(0, len(rows), self.settings.micro_batch_size):
            batch = self.data.load(rows[start : start + self.settings.micro_batch_size])
            yield {name: t.to(self.device, non_blocking=True) for name, t in batch.items()}

    def _backward_penalty(self, global_step: int) -> float:
        if self.penalty is None:
            return 0.0
        penalty = self.penalty()
        torch.autograd.backward(self.scaler.scale(penalty))
        return _finite(penalty.detach(), "penalty", global_step)

    def _unscale_and_clip(self) -> float:
        """The norm of the true gradients, as they were before clipping."""
        if self.scaler.is_enabled():
            self.scaler.unscale_(self.optimizer)
        limit = self.settings.max_grad_norm or math.inf
        return float(nn.utils.clip_grad_norm_(self.parameters, limit))

    def _apply(self, skipped: bool) -> None:
        if skipped:
            self.num_skipped += 1
        elif self.scaler.is_enabled():
            self.scaler.step(self.optimizer)
        else:
            self.optimizer.step()
        if self.scaler.is_enabled():
            self.scaler.update()


def _finite(value: Tensor, name: str, global_step: int) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise NonFiniteError(f"step {global_step}: the {name} is {number}; training stopped")
    return number
