"""What a run will take, told before it starts: time and memory from a few rehearsed steps, disk.

Dims: num_features: of the training data; batch: features of a step, over all processes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from qarank.engine.loop import Trainer
from qarank.engine.memory import peak_bytes
from qarank.engine.precision import default_device, resolve_precision
from qarank.engine.rehearsal import (
    Rehearsed,
    choose_rehearsal,
    dearest_share,
    rehearse,
    time_inference,
)
from qarank.squad.batches import evaluation_batches
from qarank.workflows.build import Setting, build_allocator, build_model, build_trainer
from qarank.workflows.disk_need import AVERAGES, FLOAT_BYTES, count_due, find_disk_need
from qarank.workflows.preflight import pick_evenly
from qarank.workflows.prepare import Prepared

SAMPLED_STEPS = 500  # of the first epoch, to find what a step costs on average
PAD_TO = 8  # as squad.batches.collate pads

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Attributes:
        step_s: of an optimizer step: forward, backward and penalty of the dearest process's share.
            The optimizer, the allocator and the sum of gradients come on top.
        train_s: of all steps still to take.
        num_evaluations: still due.
        evaluation_s: of all of them: forward passes, each process doing an equal share.
        total_s: of both.
        peak_bytes: of a process in training, see `find_peak_bytes`.
        checkpoint_bytes: of one checkpoint.
        disk_bytes: of the run's folder, at most.
        disk_free_bytes: free there, with what the folder holds by now.
    """

    step_s: float
    train_s: float
    num_evaluations: int
    evaluation_s: float
    total_s: float
    peak_bytes: int
    checkpoint_bytes: int
    disk_bytes: int
    disk_free_bytes: int

    def to_dict(self) -> dict[str, float | int]:
        """For run.json and --json."""
        return asdict(self)


@dataclass(frozen=True)
class Costs:
    """What one process measured.

    Attributes:
        step_s: of a mean step's share.
        evaluation_s: of its share of one evaluation.
        peak_bytes: see `find_peak_bytes`.
    """

    step_s: float
    evaluation_s: float
    peak_bytes: int


def estimate_run(
    trainer: Trainer, prepared: Prepared, *, world_size: int, first_step: int = 1
) -> Estimate:
    """Rehearse three steps and an evaluation's batch; the trainer stays bit for bit as it was.

    A collective: every process of the trainer measures its own costs, the largest count on all. On
    fewer processes than world_size it assumes that all together would be as fast each.

    Args:
        trainer: ready for `first_step`.
        prepared: data and plan.
        world_size: processes that share each batch.
        first_step: 1, or the one after a checkpoint's.

    Raises:
        NonFiniteError: the loss is not finite before any step; on every process.
        RunError: a device's memory is full; on every process.
    """
    found = trainer.processes.gather_outcomes(
        lambda: measure_costs(trainer, prepared, world_size=world_size)
    )
    # The main process alone: it writes in the folder while another would count what is there.
    need = trainer.processes.on_main(lambda: find_disk_need(prepared))
    plan = prepared.plan
    step_s = max(costs.step_s for costs in found)
    train_s = step_s * (plan.total_steps - first_step + 1)
    num_evaluations = count_evaluations(prepared, first_step=first_step)
    evaluation_s = num_evaluations * max(costs.evaluation_s for costs in found)
    return Estimate(
        step_s=step_s,
        train_s=train_s,
        num_evaluations=num_evaluations,
        evaluation_s=evaluation_s,
        total_s=train_s + evaluation_s,
        peak_bytes=max(costs.peak_bytes for costs in found),
        **asdict(need),
    )


def measure_costs(trainer: Trainer, prepared: Prepared, *, world_size: int) -> Costs:
    """Rehearse on this process alone the dearest shares of the longest and of typical batches."""
    lengths, micro = prepared.train.table.lengths, trainer.settings.micro_batch_size
    steps = pick_evenly(range(1, prepared.plan.steps_per_epoch + 1), SAMPLED_STEPS)
    batches = [trainer.data.rows_at(step) for step in steps]
    chosen = choose_rehearsal(lengths, batches, parts=world_size)
    _reset_peak(trainer.device)
    _, *typical = rehearse(trainer, chosen)
    peak_bytes = find_peak_bytes(trainer, world_size=world_size)
    inference = time_inference(trainer, chosen[-1])
    return Costs(
        step_s=scale_seconds(typical, mean_step_tokens(lengths, batches, world_size, micro)),
        evaluation_s=scale_seconds([inference], count_evaluation_tokens(prepared) / world_size),
        peak_bytes=peak_bytes,
    )


def estimate_prepared(prepared: Prepared) -> Estimate:
    """Load the model and estimate, on this process alone; no run folder is made."""
    device = default_device()
    setting = Setting(device, resolve_precision(prepared.recipe.train.precision, device))
    model, layers = build_model(prepared, setting)
    allocator = build_allocator(prepared, layers)
    trainer = build_trainer(prepared, model, layers, setting, allocator=allocator)
    return estimate_run(trainer, prepared, world_size=prepared.world_size)


def scale_seconds(measured: Sequence[Rehearsed], num_tokens: float) -> float:
    """Seconds for num_tokens at the fastest measured batch's speed.

    The fastest, since what comes once (a new shape's set-up, a pause of the machine) only slows.
    """
    return num_tokens * min(batch.seconds / batch.num_tokens for batch in measured)


def mean_step_tokens(
    lengths: Ints, batches: Sequence[Ints], world_size: int, micro_batch_size: int
) -> float:
    """Padded tokens of a step on the process that it waits for, on average.

    Args:
        lengths: (num_features,) tokens of each feature.
        batches: (batch,) feature numbers each.
        world_size: processes that share each batch.
        micro_batch_size: features of one forward pass, at most.
    """
    shares = (dearest_share(lengths, rows, parts=world_size) for rows in batches)
    return sum(count_padded(lengths[rows], micro_batch_size) for rows in shares) / len(batches)


def count_padded(lengths: Ints, micro_batch_size: int) -> int:
    """Tokens of features in the order they are padded, micro-batch by micro-batch."""
    starts = range(0, len(lengths), micro_batch_size)
    parts = (lengths[start : start + micro_batch_size] for start in starts)
    return sum(len(part) * -(-int(part.max()) // PAD_TO) * PAD_TO for part in parts)


def count_evaluation_tokens(prepared: Prepared) -> int:
    """Padded tokens of one evaluation and of tuning the threshold; 0 without evaluation data."""
    size = prepared.recipe.eval.batch_size
    parts = [part for part in (prepared.validation, prepared.threshold) if part is not None]
    return sum(
        count_padded(part.table.lengths[rows], size)
        for part in parts
        for rows in evaluation_batches(part.table.lengths, batch_size=size)
    )


def count_evaluations(prepared: Prepared, *, first_step: int) -> int:
    """Evaluations due after first_step or a later one."""
    if prepared.validation is None:
        return 0
    plan = prepared.plan
    return count_due(plan.eval_every, plan.total_steps, first_step=first_step)


def find_peak_bytes(trainer: Trainer, *, world_size: int) -> int:
    """Memory of this process at its peak so far, and what the first step will add.

    As `peak_bytes` finds it, the loading of the model included on a CPU. The first step adds the
    optimizer's averages and, with several processes, a copy of the gradients. An evaluation's
    batch, eval.batch_size features without gradients, is not in it.
    """
    state = trainer.optimizer.state
    added: int = sum(AVERAGES * p.numel() for p in trainer.parameters if not state.get(p))
    if world_size > 1:
        added += sum(parameter.numel() for parameter in trainer.parameters)
    return peak_bytes(trainer.device) + added * FLOAT_BYTES


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
