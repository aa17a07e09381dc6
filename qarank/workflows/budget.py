"""What a recipe's budget comes to for the matrices of its model: pool, schedule, given ranks."""

import logging
from collections.abc import Mapping
from pathlib import Path

from qarank.artifacts.rank_file import read_ranks
from qarank.config.rank_schema import AllocatorConfig
from qarank.config.schema import Recipe, resolve_steps
from qarank.errors import AdapterError, AllocationError, CheckpointError, RunDirError, ScheduleError
from qarank.ranks.schedule import BudgetSchedule
from qarank.ranks.selection import Pool
from qarank.workflows.inspect_ranks import report_ranks

LOG = logging.getLogger("qarank")
Matrices = Mapping[str, tuple[int, int]]  # full path -> (in_features, out_features)
Ranks = Mapping[str, int]  # full path -> rank


def plan_pool(recipe: Recipe, matrices: Matrices) -> Pool:
    """The triplets of all matrices at the start, and what each costs."""
    settings = recipe.allocator
    by_parameters = settings.budget_unit == "parameters"
    return Pool(
        sizes=(recipe.adapter.r,) * len(matrices),
        costs=tuple(sum(shape) if by_parameters else 1 for shape in matrices.values()),
        min_rank=settings.min_rank,
        max_rank=settings.max_rank,
    )


def plan_schedule(
    recipe: Recipe, pool: Pool, *, num_features: int, steps_per_epoch: int, total_steps: int
) -> BudgetSchedule:
    """The budget at each step.

    Raises:
        ScheduleError: it does not fit the run's steps, or what the matrices may keep.
    """
    settings = recipe.allocator
    target = find_target(settings, pool)
    try:
        schedule = BudgetSchedule(
            start_budget=pool.whole_cost,
            target_budget=target,
            total_steps=total_steps,
            tinit=resolve_steps(settings.tinit, total_steps),
            tfinal=resolve_steps(settings.tfinal, total_steps),
            delta_t=settings.delta_t,
            finalize=settings.finalize,
        )
        if target < schedule.start_budget:
            warmup = resolve_steps(recipe.train.warmup_steps, total_steps)
            _require_scored(schedule, settings.type, first_moving=2 if warmup else 1)
        return schedule
    except ScheduleError as error:
        size = recipe.train.batch_size
        raise ScheduleError(
            f"{error}. This run: {num_features} features / batch {size} = {steps_per_epoch} steps "
            f"an epoch, {total_steps} in all; shares such as tinit: 0.1, tfinal: 0.3 fit any run"
        ) from error


def _require_scored(schedule: BudgetSchedule, allocator_type: str, *, first_moving: int) -> None:
    """Refuse a schedule whose first round comes before any step that moves weights is scored.

    The first step of a warm-up has rate 0: it leaves doublets, and E, at 0.
    """
    first = next(iter(schedule.rounds()), schedule.total_steps)
    scored = any(schedule.is_scored(step) for step in range(first_moving, first + 1))
    if allocator_type != "random" and not scored:
        raise ScheduleError(
            f"step {first} would cut triplets before any step that moves them is scored; more "
            "steps, a smaller allocator.tfinal, or a larger allocator.tinit leave one"
        )


def find_target(settings: AllocatorConfig, pool: Pool) -> int:
    """The budget at the end, in its unit.

    Raises:
        ScheduleError: it keeps nothing, or is outside what the matrices must and may keep.
    """
    if settings.target_total is not None:
        target, key = settings.target_total, "allocator.target_total is"
    else:
        assert settings.target_r is not None  # the schema wants one of the two
        target = settings.target_r * sum(pool.costs)
        key = f"allocator.target_r {settings.target_r} comes to"
    least, most = max(pool.least_cost, min(pool.costs)), pool.largest_cost
    if least <= target <= most:
        return target
    limits = {"min_rank": settings.min_rank > 0, "max_rank": settings.max_rank is not None}
    given = " and ".join(f"allocator.{name}" for name, is_given in limits.items() if is_given)
    raise ScheduleError(
        f"{key} {target} {settings.budget_unit}; {least}..{most} are allowed"
        f"{f' by {given}' if given else ''}"
    )


def plan_pattern(
    recipe: Recipe, matrices: Matrices, *, noted: Ranks | None = None
) -> dict[str, int] | None:
    """The rank to give each matrix, from the recipe's file; None where the recipe names none.

    Args:
        recipe: names the file, or a run.
        matrices: that are adapted.
        noted: ranks of a run that is to be gone on with, from its run.json: they stand in for a
            file that is no longer there.

    Raises:
        AllocationError: the file has other matrices, a rank above r, or ranks of 0 alone.
        CheckpointError, RunDirError, AdapterError: it cannot be read.
    """
    if recipe.allocator.pattern is None:
        return None
    path = Path(recipe.allocator.pattern)
    if noted is None or path.exists():
        ranks = _read_pattern(path)
    else:
        LOG.warning("%s is no longer there: going on at the ranks noted in run.json", path)
        ranks = dict(noted)
    _check_pattern(path, ranks, matrices, r=recipe.adapter.r)
    return {name: ranks[name] for name in matrices}


def _read_pattern(path: Path) -> Ranks:
    """The ranks of a file, or of any folder that inspect-ranks reads."""
    try:
        if not path.exists():
            raise CheckpointError(
                f"{path}: there is no such folder or file; a run, a checkpoint, an adapter or a "
                "rank_pattern.json is allowed"
            )
        return report_ranks(path).ranks if path.is_dir() else read_ranks(path)
    except (AdapterError, CheckpointError, RunDirError) as error:
        raise type(error)(f"allocator.pattern: {error}") from error


def _check_pattern(path: Path, ranks: Ranks, matrices: Matrices, *, r: int) -> None:
    missing, unknown = (
        [name for name in one if name not in other]
        for one, other in ((matrices, ranks), (ranks, matrices))
    )
    if missing or unknown:
        odd = f"has no rank for {missing[0]}" if missing else f"names {unknown[0]}, which is not"
        raise AllocationError(
            f"{path} {odd}{'' if missing else ' adapted'}: allocator.pattern needs a run with the "
            f"same adapter.target_modules and model ({len(matrices)} matrices here, {len(ranks)} "
            "there)"
        )
    if not any(ranks.values()):
        raise AllocationError(
            f"allocator.pattern: {path} gives every matrix rank 0: nothing would be adapted"
        )
    largest = max(ranks, key=lambda name: ranks[name])
    if ranks[largest] > r:
        raise AllocationError(
            f"allocator.pattern: {path} gives {largest} rank {ranks[largest]}; adapter.r is {r}, "
            "it must be at least as much"
        )
