"""What a sweep would be: each point with its schedule, parameters and time; nothing is run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qarank.config.schema import Recipe
from qarank.config.sweep_points import expand_points
from qarank.errors import RunDirError
from qarank.jobs.local import LocalExecutor
from qarank.workflows.prepare import Prepared
from qarank.workflows.rehearsal import estimate_prepared
from qarank.workflows.sweep_check import CheckedPoint, check_points
from qarank.workflows.sweep_rows import name_method
from qarank.workflows.sweep_setup import (
    SweepOptions,
    check_sweep_dir,
    choose_executor,
    choose_points,
)
from qarank.workflows.sweep_state import Standing, judge_standing
from qarank.workflows.train import run_path

FREE = {  # keys that do not change what a step costs
    "allocator": {"target_r", "target_total", "tinit", "tfinal", "delta_t", "beta1", "beta2"},
    "train": {"learning_rate", "learning_rate_ratio_E", "warmup_steps", "weight_decay", "schedule"},
}
OVERWRITTEN = "overwritten"  # the state of a run that is there and would be run again


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep would be.

    Attributes:
        points: a mapping each: where it stands, its schedule, parameters and estimated seconds. One
            that cannot run has a `problem`, and of the rest only what its recipe says.
        jobs: points at a time.
        checked: what they were made from.
    """

    points: Sequence[dict[str, Any]]
    jobs: int
    checked: Sequence[CheckedPoint]


class EstimateOnce:
    """Rehearses a point; those that cost the same are rehearsed once."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, float | int]] = {}

    def __call__(self, prepared: Prepared) -> dict[str, float | int]:
        """As `estimate_prepared`."""
        key = cost_key(prepared.recipe)
        if key not in self._known:
            self._known[key] = estimate_prepared(prepared).to_dict()
        return self._known[key]


def cost_key(recipe: Recipe) -> str:
    """The same for recipes whose runs take about the same time: seeds draw like examples."""
    return recipe.model_dump_json(exclude={"name": True, "runs_dir": True, "seed": True, **FREE})


def plan_sweep(recipe: Recipe, options: SweepOptions) -> SweepPlan:
    """Look at each point; where the sweep itself would refuse to begin, so does this.

    Args:
        recipe: with a sweep.
        options: what the sweep would be called with.

    Raises:
        QarankError: the recipe, its points or the options, or the sweep's folder is a run's.
    """
    points = expand_points(recipe)
    chosen = choose_points(points, options.only)
    check_sweep_dir(Path(recipe.runs_dir) / recipe.name, points)
    executor, _ = choose_executor(recipe, options)  # starts nothing
    jobs = len(executor.places) if isinstance(executor, LocalExecutor) else options.jobs or 1
    checked = check_points(chosen, estimate=EstimateOnce())
    judged = [_judge(each, overwrite=options.overwrite) for each in checked]
    described = [_describe(each, state, change) for each, state, change in judged]
    return SweepPlan(described, jobs, [each for each, _, _ in judged])


def _judge(checked: CheckedPoint, *, overwrite: bool) -> tuple[CheckedPoint, str, str]:
    """The point, its state and what has changed; a run that cannot be judged is its problem."""
    if checked.problem is not None:
        return checked, "", ""
    try:
        standing, change = judge_standing(checked)
    except RunDirError as error:
        return (
            (checked, OVERWRITTEN, "") if overwrite else (replace(checked, problem=error), "", "")
        )
    if overwrite and standing is not Standing.NEW:
        return checked, OVERWRITTEN, ""
    return checked, standing.value, change


def _describe(checked: CheckedPoint, state: str, change: str) -> dict[str, Any]:
    point = checked.point
    asked = {
        "point": point.name,
        "folder": str(run_path(point.recipe)),
        "method": name_method(point.recipe),
        "adapter": point.recipe.adapter.type,
        "r": point.recipe.adapter.r if point.recipe.adapter.type != "none" else None,
        "target_r": point.recipe.allocator.target_r,
        "learning_rate": point.recipe.train.learning_rate,
        "seed": point.recipe.seed,
    }
    if checked.problem is not None:
        return {**asked, "problem": str(checked.problem)}
    standing = {"problem": None, "state": state, "change": change or None}
    return {**asked, **standing, **_describe_plan(checked)}


def _describe_plan(checked: CheckedPoint) -> dict[str, Any]:
    plan, estimate = checked.plan, checked.estimate
    assert plan is not None and estimate is not None  # it can run, and an estimate was asked for
    schedule = plan.to_dict()["schedule"]
    return {
        "features": plan.num_features,
        "total_steps": plan.total_steps,
        "schedule": schedule,
        "trained_parameters": plan.trained_parameters,
        "estimated_s": estimate["total_s"],
        "peak_bytes": estimate["peak_bytes"],
        "disk_bytes": estimate["disk_bytes"],
    }
