"""The training loop: steps, each of them accumulated, reduced, clipped, applied and reported.

It has never heard of questions or adapters: the loss, the data, the penalty and the hooks come in.
A step is the same on one process and on several: its rows are split, its gradients are summed.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from qarank.engine.balance import split_rows
from qarank.engine.clock import StepClock
from qarank.engine.distributed import ALONE, Processes
from qarank.engine.generators import read_generators
from qarank.engine.hooks import Batch, Listener, LossFunction, StepData, StepHook, StepReport
from qarank.engine.memory import telling_full_memory
from qarank.engine.nonfinite import name_bad_rows, raise_not_finite
from qarank.engine.reduce import GradientReducer, require_whole
from qarank.engine.signals import Requests, SignalRequests
from qarank.errors import NonFiniteError


@dataclass(frozen=True)
class LoopSettings:
    """What a step does.

    Attributes:
        total_steps: T, fixed at the start.
        micro_batch_size: rows of one forward pass of one process, at most.
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
        optimizer: over the trained parameters, as `build_optimizer` makes it.
        learning_rate: step -> rate.
        settings: see LoopSettings.
        penalty: a scalar added to the loss once a step, before clipping.
        hooks: act inside a step, in this order.
        processes: that share each batch.
        signals: ask to stop or to save; None asks for nothing.

    Attributes:
        num_skipped: optimizer steps left out for non-finite gradients.
        generators: the random generators as they were before the latest step.
        held_step: the step whose weights the model holds; None within an update.
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
        processes: Processes = ALONE,
        signals: SignalRequests | None = None,
    ) -> None:
        require_whole(model)
        self.model, self.data, self.loss = model, data, loss
        self.optimizer, self.learning_rate, self.settings = optimizer, learning_rate, settings
        self.penalty, self.hooks = penalty, hooks
        self.processes, self.signals = processes, signals
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.device = self.parameters[0].device
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=settings.loss_scaling)
        self.reducer = GradientReducer(self.parameters, processes)
        self.num_skipped = 0
        self.held_step: int | None = 0
        self.generators = read_generators(self.device)
        self._micro_losses: list[tuple[np.ndarray, Tensor]] = []

    def fit(
        self,
        listeners: Sequence[Listener] = (),
        *,
        first_step: int = 1,
        on_request: Callable[[int, Requests], None] = lambda *_: None,
    ) -> None:
        """Train up to the last step, telling each listener of each step.

        Args:
            listeners: told in this order.
            first_step: 1, or the one after a checkpoint's.
            on_request: told of what signals asked for, after the step and its listeners.

        Raises:
            NonFiniteError: a loss or penalty is NaN or infinite; the weights are those before the
                step.
            LostProcessError: another process is gone.
            RunError: the device's memory is full.
        """
        for global_step in range(first_step, self.settings.total_steps + 1):
            advice = "lower train.micro_batch_size"
            with telling_full_memory(f"step {global_step}: out of memory; {advice}"):
                report = self.train_step(global_step)
            for listener in listeners:
                listener(report)
            if report.requests:
                on_request(global_step, report.requests)

    def train_step(self, global_step: int) -> StepReport:
        """One optimizer step; a non-finite gradient skips it but not its number."""
        clock = StepClock()
        self.model.train()
        self.generators = read_generators(self.device)
        rows = self.data.rows_at(global_step)
        rate = self._set_learning_rate(global_step)
        own_loss = self.backward_rows(self.share(rows), num_rows=len(rows), clock=clock)
        loss, requests = self._reduce(own_loss, global_step)
        clock.lap("reduce")
        penalty = self.backward_penalty(global_step)
        clock.lap("penalty")
        grad_norm = self._unscale_and_clip()
        skipped = not math.isfinite(grad_norm)
        self.held_step = None
        self._apply(skipped)
        clock.lap("optimizer")
        for hook in self.hooks:
            hook.after_optimizer_step(global_step, skipped=skipped)
        self.optimizer.zero_grad(set_to_none=True)
        self.held_step = global_step
        clock.lap("hooks")
        return StepReport(
            global_step=global_step,
            loss=loss,
            penalty=penalty,
            grad_norm=grad_norm,
            learning_rate=rate,
            num_rows=len(rows),
            skipped=skipped,
            seconds=clock.seconds,
            seconds_by_part=clock.parts,
            requests=requests,
        )

    def share(self, rows: np.ndarray) -> np.ndarray:
        """This process's part of a global batch; none where there are fewer rows than processes."""
        world = self.processes.world
        places = split_rows(self.data.lengths(rows), world.world_size)[world.global_rank]
        share: np.ndarray = rows[places]
        return share

    def backward_rows(
        self, rows: np.ndarray, *, num_rows: int, clock: StepClock | None = None
    ) -> Tensor:
        """Accumulate the gradients of the sum of the rows' losses over num_rows.

        Args:
            rows: this process's.
            num_rows: of the global batch.
            clock: told what the time goes into.

        Returns:
            That sum over num_rows, a scalar on the device.
        """
        clock = clock or StepClock()
        total = torch.zeros((), device=self.device)
        self.scaler.scale(total)  # makes the scale, though there may be no rows to scale
        self._micro_losses.clear()
        size = self.settings.micro_batch_size
        for start in range(0, len(rows), size):
            of_batch = rows[start : start + size]
            batch = self._load(of_batch)
            clock.lap("data")
            with self.settings.autocast():
                loss = self.loss(self.model, batch) / num_rows
            torch.autograd.backward(self.scaler.scale(loss))
            total += loss.detach()
            self._micro_losses.append((of_batch, loss.detach()))
            clock.lap("forward_backward")
        return total

    def backward_penalty(self, global_step: int) -> float:
        """Add the penalty's gradient; the penalty, 0 where there is none."""
        if self.penalty is None:
            return 0.0
        penalty = self.penalty()
        torch.autograd.backward(self.scaler.scale(penalty))
        value = float(penalty.detach())
        if not math.isfinite(value):
            raise NonFiniteError(f"step {global_step}: the penalty is {value}; training stopped")
        return value

    def _load(self, rows: np.ndarray) -> Batch:
        batch = self.data.load(rows)
        return {name: t.to(self.device, non_blocking=True) for name, t in batch.items()}

    def _set_learning_rate(self, global_step: int) -> float:
        rate = self.learning_rate(global_step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["ratio"]
        return rate

    def _reduce(self, own_loss: Tensor, global_step: int) -> tuple[float, Requests]:
        """Sum gradients and loss over the processes, and agree on what signals ask for."""
        asked = Requests() if self.signals is None else self.signals.take()
        if self.processes.is_alone:
            loss, requests = float(own_loss), asked
        else:
            loss, *votes = self.reducer.reduce([own_loss, *asked.votes()])
            requests = Requests.from_votes(votes)
        if not math.isfinite(loss):
            own = name_bad_rows(self._micro_losses, self.data)
            raise_not_finite(loss, global_step, own, self.processes)
        return loss, requests

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
