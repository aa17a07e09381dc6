import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoConfig

from qarank.adapters.peft_names import PREFIX
from qarank.artifacts.checkpoint import write_adapter
from qarank.config.schema import Recipe
from qarank.errors import AllocationError, CheckpointError, RunDirError, ScheduleError
from qarank.ranks.schedule import BudgetSchedule
from qarank.workflows.budget import find_target, plan_pattern, plan_pool, plan_schedule
from qarank.workflows.preflight import plan_run

MATRICES = {"layer.0.query": (32, 32), "layer.0.intermediate": (32, 48)}  # r 4: 8, 576 in all
Recipes = Callable[..., Recipe]


@pytest.fixture
def allocated(tiny_recipe: Recipes) -> Recipes:
    """A recipe with these keys of its allocator."""
    return lambda **keys: tiny_recipe(allocator={"type": "norm", "tinit": 2, "tfinal": 4} | keys)


def schedule_of(recipe: Recipe) -> BudgetSchedule:
    pool = plan_pool(recipe, MATRICES)
    return plan_schedule(recipe, pool, num_features=64, steps_per_epoch=8, total_steps=12)


@pytest.mark.parametrize(
    ("keys", "costs", "ends"),
    [
        ({"target_r": 2}, (1, 1), (8, 4)),
        ({"target_total": 5}, (1, 1), (8, 5)),
        ({"target_r": 2, "budget_unit": "parameters"}, (64, 80), (576, 288)),
        ({"target_total": 300, "budget_unit": "parameters"}, (64, 80), (576, 300)),
        ({"target_total": 64, "budget_unit": "parameters"}, (64, 80), (576, 64)),
        ({"target_r": 4, "budget_unit": "parameters"}, (64, 80), (576, 576)),
    ],
)
def test_the_unit_says_what_a_triplet_costs_and_what_the_budget_is(
    keys: dict[str, Any], costs: tuple[int, ...], ends: tuple[int, int], allocated: Recipes
) -> None:
    recipe = allocated(**keys)
    pool = plan_pool(recipe, MATRICES)
    assert (pool.sizes, pool.costs) == ((4, 4), costs)
    schedule = schedule_of(recipe)
    assert (schedule.start_budget, schedule.target_budget) == ends
    assert (schedule.tinit, schedule.tfinal, schedule.total_steps) == (2, 4, 12)


def test_a_feed_forward_triplet_of_deberta_base_costs_two_and_a_half_of_its_querys(
    allocated: Recipes,
) -> None:
    shapes = {"query": (768, 768), "intermediate": (768, 3072), "output": (3072, 768)}
    pool = plan_pool(allocated(target_r=2, budget_unit="parameters"), shapes)
    assert [cost / pool.costs[0] for cost in pool.costs] == [1.0, 2.5, 2.5]


def test_limits_are_the_pools(allocated: Recipes) -> None:
    pool = plan_pool(allocated(target_r=2, min_rank=1, max_rank=3), MATRICES)
    assert (pool.min_rank, pool.max_rank) == (1, 3)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"target_total": 9}, r"total is 9 triplets; 1\.\.8 are allowed"),
        (
            {"target_total": 577, "budget_unit": "parameters"},
            r"total is 577 parameters; 64\.\.576 are allowed",
        ),
        (
            {"target_total": 63, "budget_unit": "parameters"},  # less than any triplet
            r"total is 63 parameters; 64\.\.576 are allowed",
        ),
        (
            {"target_total": 3, "min_rank": 2},
            r"total is 3 triplets; 4\.\.8 are allowed by allocator.min_rank",
        ),
        (
            {"target_r": 3, "max_rank": 2},
            r"r 3 comes to 6 triplets; 1\.\.4 are allowed by allocator.max_rank",
        ),
        (
            {"target_r": 1, "min_rank": 2, "max_rank": 3, "budget_unit": "parameters"},
            r"r 1 comes to 144 parameters; 288\.\.432 are allowed by allocator.min_rank and "
            "allocator.max_rank",
        ),
    ],
)
def test_a_budget_that_cannot_be_kept_to_is_refused_with_what_can(
    keys: dict[str, Any], line: str, allocated: Recipes
) -> None:
    recipe = allocated(**keys)
    with pytest.raises(ScheduleError, match=f"^allocator.target_{line}$"):
        find_target(recipe.allocator, plan_pool(recipe, MATRICES))
    with pytest.raises(ScheduleError, match=f"^allocator.target_{line}$"):
        schedule_of(recipe)


@pytest.mark.parametrize(
    ("warmup", "tinit", "fits"), [(0, 0, True), (1, 1, True), (1, 0, False), (0.2, 0, False)]
)
def test_the_first_round_comes_after_a_step_that_moves_weights(
    warmup: float, tinit: int, fits: bool, tiny_recipe: Recipes
) -> None:
    """The first step of a warm-up has rate 0."""
    allocator = {"type": "adalora", "target_r": 2, "tinit": tinit, "tfinal": 4, "delta_t": 1}
    recipe = tiny_recipe(allocator=allocator, train={"max_steps": 12, "warmup_steps": warmup})
    if fits:
        schedule_of(recipe)
        return
    with pytest.raises(ScheduleError, match=r"^step 1 would cut triplets before any step that mov"):
        schedule_of(recipe)


def test_phases_that_do_not_fit_are_told_with_the_runs_steps(allocated: Recipes) -> None:
    with pytest.raises(ScheduleError, match="64 features / batch 8 = 8 steps an epoch, 12 in all"):
        schedule_of(allocated(target_r=2, tinit=9))


@pytest.fixture
def plan_file(tiny_recipe: Recipes, tmp_path: Path) -> Callable[[object], dict[str, int]]:
    """Plans with these ranks in a file."""

    def plan(ranks: object) -> dict[str, int]:
        path = tmp_path / "ranks.json"
        path.write_text(json.dumps(ranks))
        recipe = tiny_recipe(allocator={"type": "file", "pattern": str(path)})
        found = plan_pattern(recipe, MATRICES)
        assert found is not None
        return found

    return plan


def test_a_pattern_is_in_the_models_order(plan_file: Callable[[object], dict[str, int]]) -> None:
    found = plan_file({"layer.0.intermediate": 0, "layer.0.query": 4})
    assert list(found.items()) == [("layer.0.query", 4), ("layer.0.intermediate", 0)]


@pytest.mark.parametrize(
    ("ranks", "line"),
    [
        (
            {"layer.0.query": 1},
            r"has no rank for layer.0.intermediate: allocator.pattern needs a run with the same "
            r"adapter.target_modules and model \(2 matrices here, 1 there\)",
        ),
        (
            {"layer.0.query": 1, "layer.0.intermediate": 1, "layer.1.query": 1},
            r"names layer.1.query, which is not adapted: allocator.pattern needs a run with the "
            r"same adapter.target_modules and model \(2 matrices here, 3 there\)",
        ),
        (
            {"layer.0.query": 5, "layer.0.intermediate": 6},
            r"gives layer.0.intermediate rank 6; adapter.r is 4, it must be at least as much",
        ),
        (
            {"layer.0.query": 0, "layer.0.intermediate": 0},
            r"gives every matrix rank 0: nothing would be adapted",
        ),
    ],
)
def test_ranks_of_something_else_are_refused(
    ranks: object, line: str, plan_file: Callable[[object], dict[str, int]]
) -> None:
    with pytest.raises(AllocationError, match=rf"ranks\.json {line}$") as caught:
        plan_file(ranks)
    assert "allocator.pattern" in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(
    plan_file: Callable[[object], dict[str, int]], tiny_recipe: Recipes, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=r"^allocator\.pattern: .*holds no ranks"):
        plan_file("not ranks")
    recipe = tiny_recipe(allocator={"type": "file", "pattern": str(tmp_path / "none")})
    allowed = "a run, a checkpoint, an adapter or a rank_pattern.json is allowed"
    line = f"allocator.pattern: {tmp_path}/none: there is no such folder or file; {allowed}"
    with pytest.raises(CheckpointError, match=f"^{line}$"):
        plan_pattern(recipe, MATRICES)


def test_a_folder_without_ranks_is_refused_with_the_key(
    tiny_recipe: Recipes, tmp_path: Path
) -> None:
    recipe = tiny_recipe(allocator={"type": "file", "pattern": str(tmp_path)})
    with pytest.raises(RunDirError, match=rf"^allocator\.pattern: {tmp_path} is not a run, a che"):
        plan_pattern(recipe, MATRICES)


def test_an_adapters_folder_has_ranks_to_train_at(tiny_recipe: Recipes, tmp_path: Path) -> None:
    ranks = {"layer.0.query": 2, "layer.0.intermediate": 1}
    tensors = {}
    for path, (in_features, out_features) in MATRICES.items():
        tensors[f"{PREFIX}{path}.lora_A.weight"] = torch.ones(ranks[path], in_features)
        tensors[f"{PREFIX}{path}.lora_B.weight"] = torch.ones(out_features, ranks[path])
    write_adapter(tmp_path, {"peft_type": "LORA", "r": 2}, tensors)
    recipe = tiny_recipe(allocator={"type": "file", "pattern": str(tmp_path)})
    assert plan_pattern(recipe, MATRICES) == ranks
    save_file({"odd": torch.ones(1)}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match=rf"^allocator\.pattern: {tmp_path}.*no low-rank"):
        plan_pattern(recipe, MATRICES)


def test_ranks_noted_by_a_run_stand_in_for_a_file_that_is_gone_and_for_no_other(
    tiny_recipe: Recipes, tmp_path: Path
) -> None:
    path = tmp_path / "ranks.json"
    recipe = tiny_recipe(allocator={"type": "file", "pattern": str(path)})
    noted = {"layer.0.query": 3, "layer.0.intermediate": 1}
    assert plan_pattern(recipe, MATRICES, noted=noted) == noted
    there = {"layer.0.query": 1, "layer.0.intermediate": 2}
    path.write_text(json.dumps(there))
    assert plan_pattern(recipe, MATRICES, noted=noted) == there
    path.write_text("")
    with pytest.raises(CheckpointError, match="holds no ranks"):
        plan_pattern(recipe, MATRICES, noted=noted)


def test_without_a_file_there_is_no_pattern(allocated: Recipes) -> None:
    assert plan_pattern(allocated(target_r=2), MATRICES) is None


def test_a_plan_of_parameters_tells_the_mean_rank_they_would_pay_for(
    tiny_model_dir: Path, allocated: Recipes
) -> None:
    config = AutoConfig.from_pretrained(tiny_model_dir)
    plan = plan_run(config, 64, allocated(target_r=2, budget_unit="parameters"))
    assert plan.shown_rounds[-1]["budget"] == 1664
    assert plan.shown_rounds[-1]["mean_rank"] == 2.0
    shown = plan.to_dict()
    assert "pool" not in shown and shown["pattern"] is None


def test_a_plan_with_given_ranks_has_no_rounds(
    tiny_model_dir: Path, tiny_recipe: Recipes, tmp_path: Path
) -> None:
    config, path = AutoConfig.from_pretrained(tiny_model_dir), tmp_path / "ranks.json"
    ranks = dict.fromkeys(plan_run(config, 64, tiny_recipe()).matrices, 1)
    path.write_text(json.dumps(ranks))
    plan = plan_run(
        config, 64, tiny_recipe(allocator={"type": "file", "pattern": str(path)})
    ).to_dict()
    assert plan["pattern"] == ranks and plan["schedule"] is None
