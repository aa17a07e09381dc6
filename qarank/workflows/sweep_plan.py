"""What a sweep would be: each point with its schedule, parameters and time; nothing is run."""

from typing import Any

from qarank.config.schema import Recipe
from qarank.config.sweep_points import SweepPoint, expand_points
from qarank.workflows.prepare import Prepared
from qarank.workflows.rehearsal import estimate_prepared
from qarank.workflows.sweep_check import CheckedPoint, check_points
from qarank.workflows.sweep_rows import name_method
from qarank.workflows.sweep_setup import choose_points
from qarank.workflows.sweep_state import judge_standing
from qarank.workflows.train import run_path

FREE = {  # keys that do not change what a step costs
    "allocator": {"target_r", "target_total", "tinit", "tfinal", "delta_t", "beta1", "beta2"},
    "train": {"learning_rate", "learning_rate_ratio_E", "warmup_steps", "weight_decay", "schedule"},
}


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


def plan_sweep(recipe: Recipe, *, only: str | None = None) -> list[dict[str, Any]]:
    """A mapping a point: where it stands, its schedule, parameters and estimated seconds.

    A point that cannot run has a `problem`, and of the rest only what its recipe says.

    Args:
        recipe: with a sweep.
        only: see `choose_points`.

    Raises:
        RecipeError: there is no sweep, or a point of it is no legal recipe.
    """
    points = choose_points(expand_points(recipe), only)
    return [_describe(checked) for checked in check_points(points, estimate=EstimateOnce())]


def _describe(checked: CheckedPoint) -> dict[str, Any]:
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
    return {**asked, "problem": None if checked.problem is None else str(checked.problem)} | (
        _describe_plan(point, checked) if checked.problem is None else {}
    )


def _describe_plan(point: SweepPoint, checked: CheckedPoint) -> dict[str, Any]:
    plan, estimate = checked.plan, checked.estimate
    assert plan is not None and estimate is not None  # it can run, and an estimate was asked for
    schedule = plan.to_dict()["schedule"]
    standing, change = judge_standing(checked)
    return {
        "state": standing.value,
        "change": change or None,
        "features": plan.num_features,
        "total_steps": plan.total_steps,
        "schedule": schedule,
        "trained_parameters": plan.trained_parameters,
        "estimated_s": estimate["total_s"],
        "peak_bytes": estimate["peak_bytes"],
        "disk_bytes": estimate["disk_bytes"],
    }
