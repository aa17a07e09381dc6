from collections.abc import Callable
from typing import Any

import pytest

from qarank.config.schema import Recipe
from qarank.errors import RecipeError
from qarank.workflows import sweep_plan
from qarank.workflows.prepare import prepare_run
from qarank.workflows.sweep_plan import EstimateOnce, cost_key, plan_sweep

Recipes = Callable[..., Recipe]


def test_points_that_cost_the_same_are_rehearsed_once(
    tiny_recipe: Recipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    class Guess:
        def to_dict(self) -> dict[str, float]:
            return {"total_s": float(len(asked))}

    def rehearse(prepared: Any) -> Guess:
        asked.append(prepared.recipe.adapter.r)
        return Guess()

    monkeypatch.setattr(sweep_plan, "estimate_prepared", rehearse)
    estimate = EstimateOnce()
    recipes = [tiny_recipe(), tiny_recipe(seed=2), tiny_recipe(adapter={"type": "svd", "r": 3})]
    found = [estimate(prepare_run(recipe))["total_s"] for recipe in recipes]
    assert found == [1.0, 1.0, 2.0] and asked == [4, 3]


def test_rates_and_budgets_cost_nothing_and_sizes_do(tiny_recipe: Recipes) -> None:
    plain = tiny_recipe()
    rate = plain.train.model_copy(update={"learning_rate": 0.5, "warmup_steps": 3})
    budget = plain.allocator.model_copy(update={"target_r": 1, "tinit": 1})
    size = plain.train.model_copy(update={"batch_size": 4})
    key = cost_key(plain)
    assert cost_key(plain.model_copy(update={"train": rate, "name": "b"})) == key
    assert cost_key(plain.model_copy(update={"allocator": budget})) == key
    assert cost_key(plain.model_copy(update={"train": size})) != key


def test_a_plan_says_where_each_point_stands(
    tiny_recipe: Recipes, in_process: Callable[..., Any]
) -> None:
    from qarank.workflows.sweep import Listener, run_sweep
    from qarank.workflows.sweep_setup import SweepOptions

    in_process()
    sweep = {"grid": {"adapter.r": [2, 3]}}
    run_sweep(tiny_recipe(sweep=sweep), SweepOptions(only="r2"), Listener())
    first, second = plan_sweep(tiny_recipe(sweep=sweep))
    assert (first["state"], second["state"]) == ("finished", "new")
    assert first["total_steps"] == 12 and first["estimated_s"] > 0
    assert second["trained_parameters"] > first["trained_parameters"]
    changed, _ = plan_sweep(tiny_recipe(sweep=sweep, seed=5))
    assert changed["state"] == "changed" and changed["change"] == "seed is 1 there, 5 here"
    assert [point["point"] for point in plan_sweep(tiny_recipe(sweep=sweep), only="r3")] == ["r3"]
    with pytest.raises(RecipeError, match="fits none"):
        plan_sweep(tiny_recipe(sweep=sweep), only="r4")
