"""What a run says of itself on stderr before anything long."""

import logging
import os

from qarank.engine.progress import describe_duration
from qarank.workflows.prepare import Prepared
from qarank.workflows.rehearsal import Estimate

LOG = logging.getLogger("qarank")
GIB = 1024**3


def announce_plan(prepared: Prepared) -> None:
    """What is adapted, and how far the budget falls."""
    plan, name = prepared.plan, prepared.recipe.name
    shared = f" on {prepared.world_size} processes" if prepared.world_size > 1 else ""
    LOG.info(
        "%s: %d steps%s, %s trained parameters",
        name,
        plan.total_steps,
        shared,
        f"{plan.trained_parameters:,}",
    )
    for target, count in plan.targets.items():
        LOG.info("  adapted: %s, %d matrices", target, count)
    accelerates = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if accelerates != "no":
        LOG.warning("accelerate's %s is not used: train.precision decides", accelerates)
    if plan.schedule is not None:
        LOG.info(
            "  %s: %d -> %d",
            prepared.recipe.allocator.budget_unit,
            plan.schedule.start_budget,
            plan.schedule.target_budget,
        )
    if plan.pattern is not None:
        LOG.info(
            "  triplets: %d, as in %s",
            sum(plan.pattern.values()),
            prepared.recipe.allocator.pattern,
        )


def announce_estimate(found: Estimate) -> None:
    """How long the rest takes, in how much memory and disk, by a rehearsal of a few steps."""
    LOG.info(
        "  %s for what is left: %.2g s a step, %d evaluation%s; memory %.1f GiB, disk %.2f GiB",
        describe_duration(found.total_s),
        found.step_s,
        found.num_evaluations,
        "" if found.num_evaluations == 1 else "s",
        found.peak_bytes / GIB,
        found.disk_bytes / GIB,
    )
