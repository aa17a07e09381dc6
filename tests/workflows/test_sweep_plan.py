from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.config.schema import Recipe
from qarank.errors import LaunchError, RecipeError, RunDirError, ScheduleError
from qarank.workflows import sweep_plan, sweep_setup
from qarank.workflows.prepare import prepare_run
from qarank.workflows.sweep import Listener, run_sweep
from qarank.workflows.sweep_check import require_one
from qarank.workflows.sweep_plan import EstimateOnce, cost_key, plan_sweep
from qarank.workflows.sweep_setup import SweepOptions

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
    in_process()
    sweep = {"grid": {"adapter.r": [2, 3]}}
    run_sweep(tiny_recipe(sweep=sweep), SweepOptions(only=("r2",)), Listener())
    first, second = plan_sweep(tiny_recipe(sweep=sweep), SweepOptions()).points
    assert (first["state"], second["state"]) == ("finished", "new")
    assert first["total_steps"] == 12 and first["estimated_s"] > 0
    assert second["trained_parameters"] > first["trained_parameters"]
    changed, _ = plan_sweep(tiny_recipe(sweep=sweep, seed=5), SweepOptions()).points
    assert changed["state"] == "changed" and changed["change"] == "seed is 1 there, 5 here"
    again = plan_sweep(tiny_recipe(sweep=sweep, seed=5), SweepOptions(overwrite=True)).points
    assert [(point["state"], point["change"]) for point in again] == [
        ("overwritten", None),
        ("new", None),
    ]
    only = plan_sweep(tiny_recipe(sweep=sweep), SweepOptions(only=("r3",)))
    assert [point["point"] for point in only.points] == ["r3"]
    require_one(only.checked)


def test_a_damaged_run_is_a_problem_of_its_point_unless_it_is_overwritten(
    tiny_recipe: Recipes, tmp_path: Path
) -> None:
    recipe = tiny_recipe(sweep={"grid": {"adapter.r": [2, 3]}})
    damaged = tmp_path / "runs/tiny/r2/run.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    plan = plan_sweep(recipe, SweepOptions())
    first, second = plan.points
    assert str(damaged) in first["problem"] and "state" not in first
    assert second["problem"] is None and second["state"] == "new"
    require_one(plan.checked)
    with pytest.raises(RunDirError, match=r"sweep point r2: .*run\.json"):
        require_one(plan_sweep(recipe, SweepOptions(only=("r2",))).checked)
    first, _ = plan_sweep(recipe, SweepOptions(overwrite=True)).points
    assert (first["problem"], first["state"]) == (None, "overwritten")


@pytest.mark.parametrize(
    ("options", "error", "line"),
    [
        (SweepOptions(only=("r4",)), RecipeError, "fits none"),
        (SweepOptions(address="auto"), LaunchError, "--address is a Ray cluster's"),
    ],
)
def test_what_a_sweep_refuses_its_plan_refuses_before_it_looks_at_points(
    tiny_recipe: Recipes,
    monkeypatch: pytest.MonkeyPatch,
    options: SweepOptions,
    error: type[Exception],
    line: str,
) -> None:
    monkeypatch.setattr(sweep_plan, "check_points", None)  # not reached
    with pytest.raises(error, match=line):
        plan_sweep(tiny_recipe(sweep={"grid": {"adapter.r": [2, 3]}}), options)
    with pytest.raises(RecipeError, match="named report.html, as is a file of the sweep's own"):
        plan_sweep(tiny_recipe(sweep={"points": [{"name": "report.html"}]}), SweepOptions())


def test_as_many_points_run_at_a_time_as_asked_for_and_no_cluster_is_started(
    tiny_recipe: Recipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_plan, "check_points", lambda points, estimate: [])
    monkeypatch.setattr(sweep_setup, "visible_gpus", lambda: [])
    recipe = tiny_recipe(sweep={"grid": {"adapter.r": [2, 3]}})
    asked = [SweepOptions(), SweepOptions(jobs=2), SweepOptions(executor="ray", jobs=3)]
    assert [plan_sweep(recipe, options).jobs for options in asked] == [1, 2, 3]


def test_where_no_point_can_run_the_first_problem_is_raised(tiny_recipe: Recipes) -> None:
    late = {"allocator.tinit": 11, "allocator.target_r": 1}
    points = [{"name": name, **late} for name in ("late", "later")]
    plan = plan_sweep(tiny_recipe(sweep={"points": points}), SweepOptions())
    assert [bool(point["problem"]) for point in plan.points] == [True, True]
    with pytest.raises(ScheduleError, match="sweep point late: "):
        require_one(plan.checked)
