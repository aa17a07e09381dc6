from collections.abc import Callable

import pytest

import qarank.workflows.sweep_check as module
from qarank.config.schema import Recipe
from qarank.config.sweep_points import SweepPoint
from qarank.errors import ScheduleError
from qarank.workflows.fingerprint import fingerprint_run
from qarank.workflows.prepare import load_parts, prepare_run
from qarank.workflows.sweep_check import check_points, data_key

Recipes = Callable[..., Recipe]


def make_points(tiny_recipe: Recipes, **named: dict[str, object]) -> list[SweepPoint]:
    return [
        SweepPoint(name, tiny_recipe(**{"name": name, **sections}), group=name)
        for name, sections in named.items()
    ]


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seed of each recipe whose data are read."""
    seeds: list[int] = []

    def note(recipe: Recipe, *arguments: object, **more: bool) -> object:
        seeds.append(recipe.seed)
        return load_parts(recipe, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "load_parts", note)
    return seeds


def test_data_are_read_once_for_all_points_that_share_them(
    tiny_recipe: Recipes, loads: list[int]
) -> None:
    points = make_points(
        tiny_recipe, a={"seed": 1}, b={"seed": 2}, c={"seed": 1, "adapter": {"r": 3}}
    )
    checked = check_points(points)
    assert sorted(loads) == [1, 2]  # drawn by the seed
    assert [each.point.name for each in checked] == ["a", "b", "c"]
    for each in checked:
        prepared = prepare_run(each.point.recipe)
        assert each.plan == prepared.plan
        assert each.fingerprints == fingerprint_run(prepared)
        assert each.data["train"]["examples"] == 64


def test_seeds_share_data_that_are_not_drawn(tiny_recipe: Recipes) -> None:
    whole = {"source": "sample:almanac", "max_seq_length": 160, "doc_stride": 32}
    keys = {data_key(tiny_recipe(data=whole, seed=seed)) for seed in (1, 2)}
    assert len(keys) == 1
    assert len({data_key(tiny_recipe(seed=seed)) for seed in (1, 2)}) == 2
    shorter = {**whole, "max_seq_length": 96}
    assert data_key(tiny_recipe(data=shorter)) not in keys


def test_a_point_that_cannot_run_has_a_problem_and_the_others_none(tiny_recipe: Recipes) -> None:
    late = {"allocator": {"type": "adalora", "target_r": 2, "tinit": 11, "tfinal": 4}}
    bad, good = check_points(make_points(tiny_recipe, bad=late, good={}))
    assert isinstance(bad.problem, ScheduleError) and bad.plan is None
    assert good.problem is None and good.plan is not None


def test_what_is_asked_besides_is_asked_of_those_that_can_run(tiny_recipe: Recipes) -> None:
    late = {"allocator": {"type": "adalora", "target_r": 2, "tinit": 11, "tfinal": 4}}
    points = make_points(tiny_recipe, a={}, b=late)
    checked = check_points(points, estimate=lambda prepared: {"steps": prepared.plan.total_steps})
    assert [each.estimate for each in checked] == [{"steps": 12}, None]
