"""What TensorBoard's HPARAMS page shows of a run: a row of settings, and its figures."""

from collections.abc import Mapping
from typing import Any

from qarank.config.schema import Recipe
from qarank.workflows.preflight import Plan

SHOWN = ("exact", "f1", "HasAns_f1", "NoAns_f1", "answered_HasAns_f1")
FIGURES = [f"result/{key}" for key in SHOWN]  # of their own: the best checkpoint's, not the latest


def list_hparams(recipe: Recipe, plan: Plan) -> dict[str, bool | int | float | str]:
    """The settings in which runs of one sweep may differ; the same keys for every run."""
    ranks = [recipe.adapter.r] * len(plan.matrices)
    if plan.pattern is not None:
        ranks = list(plan.pattern.values())
    budget = plan.pool.spend(ranks) if plan.schedule is None else plan.schedule.target_budget
    return {  # the page shows the first five at once
        "adapter.type": recipe.adapter.type,
        "adapter.r": recipe.adapter.r if plan.matrices else 0,
        "budget": budget,
        "learning_rate": recipe.train.learning_rate,
        "seed": recipe.seed,
        "adapter.alpha": recipe.adapter.alpha if plan.matrices else 0,
        "allocator.type": recipe.allocator.type,
        "trained_parameters": plan.trained_parameters,
        "weight_decay": recipe.train.weight_decay,
        "batch_size": recipe.train.batch_size,
        "steps": plan.total_steps,
    }


def pick_figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """A finished run's figures by FIGURES' tags; v1.1's exact_match stands under exact."""
    named = {"exact": metrics.get("exact_match"), **metrics}
    pairs = zip(FIGURES, (named.get(key) for key in SHOWN), strict=True)
    return {tag: float(value) for tag, value in pairs if value is not None}
