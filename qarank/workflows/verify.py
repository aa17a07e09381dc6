"""No silent no-op: what a run promised is checked on what it left."""

from pathlib import Path

import torch
from torch import nn

from qarank.adapters.inject import find_adapters
from qarank.artifacts.checkpoint import verify_checkpoint
from qarank.engine.precision import Precision
from qarank.errors import NoOpError, RunError
from qarank.ranks.protocol import Allocator
from qarank.squad.batches import collate
from qarank.workflows.logits import TOLERANCES, compute_logits, largest_difference
from qarank.workflows.preflight import Plan
from qarank.workflows.prepare import Prepared
from qarank.workflows.reading import Reader
from qarank.workflows.saved_model import load_checkpoint_model


def check_allocation(plan: Plan, allocator: Allocator | None) -> None:
    """Raise NoOpError where pruning was asked for and did not come out as asked."""
    if allocator is None:
        return
    if allocator.num_rounds == 0:
        raise NoOpError("an allocator was asked for, but no round happened")
    ranks = [int(piece.sum()) for piece in torch.split(allocator.mask(), list(plan.pool.sizes))]
    if plan.schedule is not None and not plan.pool.is_full(ranks, plan.schedule.target_budget):
        raise NoOpError(
            f"the budget was {plan.schedule.target_budget}, but what is kept takes"
            f" {plan.pool.spend(ranks)}"
        )
    if plan.pattern is not None and ranks != list(plan.pattern.values()):
        raise NoOpError("the ranks kept are not those of allocator.pattern")


def check_steps(total_steps: int, num_skipped: int) -> None:
    """Raise NoOpError where no optimizer step was taken."""
    if num_skipped == total_steps:
        raise NoOpError(
            f"all {total_steps} steps had gradients that were not finite: nothing learnt"
        )


def _check_updates(checkpoint: Path, trained: nn.Module, reloaded: nn.Module) -> None:
    """Compare every Delta W: a short run's can be too small for the logits to show its loss."""
    saved = find_adapters(reloaded)
    for path, layer in find_adapters(trained).items():
        update = layer.delta_weight().detach()
        other = saved[path].delta_weight().detach() if path in saved else torch.zeros(())
        largest_error = float((other.to(update.device) - update).abs().max())
        if not largest_error <= 1e-6 * float(update.abs().max()):
            raise RunError(f"{checkpoint} reloaded has another update of {path}")


def check_reloaded(
    checkpoint: Path, prepared: Prepared, trained: Reader, precision: Precision
) -> float:
    """Open a checkpoint anew and compare its logits with the model's that was trained.

    Returns:
        The largest difference, as a share of the largest logit.

    Raises:
        RunError: they differ by more than rounding.
    """
    verify_checkpoint(checkpoint)
    reloaded = load_checkpoint_model(checkpoint, prepared.source, prepared.config, precision)
    _check_updates(checkpoint, trained.model, reloaded)
    rows = torch.arange(min(4, len(prepared.train.table))).numpy()
    batch = collate(
        prepared.train.table,
        rows,
        pad_token_id=trained.pad_token_id,
        padding_side=trained.padding_side,
        labels=False,
    )
    batch = {name: tensor.to(trained.device) for name, tensor in batch.items()}
    with trained.autocast():
        before = compute_logits(trained.model, batch)
        after = compute_logits(reloaded.to(trained.device), batch)
    difference = largest_difference(before, after)
    if not difference <= TOLERANCES[precision]:  # so that NaN is refused too
        raise RunError(
            f"{checkpoint} reloaded gives other logits: off by {difference:.2g} of the largest"
        )
    return difference
