"""Preflight on DeBERTaV3-base's configuration: nothing is loaded, only shapes are counted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig, DebertaV2Config

from qarank.config.load import load_recipe
from qarank.config.schema import Recipe
from qarank.config.sweep_points import SweepPoint, expand_points
from qarank.errors import AdapterError, ScheduleError
from qarank.workflows.preflight import SHOWN_ROUNDS, Plan, count_steps, pick_evenly, plan_run

RECIPES = Path(__file__).parents[2] / "recipes"
SQUAD_V2_FEATURES = 131_754  # of train-v2.0 at 384/128 with BERT's tokenizer, as commonly printed
SQUAD_V2_EXAMPLES = 130_319  # each has a feature or more, so a run is never shorter
SQUAD_V1_FEATURES = 88_524
MATRICES = 72  # 12 layers times 6


@pytest.fixture(scope="module")
def deberta_base() -> DebertaV2Config:
    """microsoft/deberta-v3-base's configuration, written out."""
    return DebertaV2Config(
        vocab_size=128_100,
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=3072,
        type_vocab_size=0,
        max_position_embeddings=512,
        relative_attention=True,
        position_buckets=256,
        pos_att_type=["p2c", "c2p"],
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        position_biased_input=False,
    )


def points_of(recipe: str) -> list[SweepPoint]:
    return expand_points(load_recipe(RECIPES / recipe))


README_POINTS = [*points_of("squad_v2_frd.yaml"), *points_of("squad_v2_svd.yaml")]


@pytest.fixture
def plan_tiny(tiny_model_dir: Path, tiny_recipe: Callable[..., Recipe]) -> Callable[..., Plan]:
    """Plans the tiny recipe over 64 features: 8 steps an epoch."""

    def plan(**sections: Any) -> Plan:
        config = AutoConfig.from_pretrained(tiny_model_dir)
        return plan_run(config, 64, tiny_recipe(**sections))

    return plan


def test_deberta_base_counts_as_published(deberta_base: DebertaV2Config) -> None:
    plan = plan_run(deberta_base, SQUAD_V2_FEATURES, README_POINTS[0].recipe)
    assert plan.base_parameters == 183_833_090  # 183,831,552 and a head of 2 x 768 + 2
    deberta_base.position_biased_input = True  # the class's default: 512 absolute positions more
    biased = plan_run(deberta_base, SQUAD_V2_FEATURES, README_POINTS[0].recipe)
    assert round(biased.base_parameters / 1e6, 1) == 184.2
    assert plan.head_parameters == 1_538
    assert len(plan.matrices) == MATRICES
    assert plan.parameters_per_rank == 165_888


@pytest.mark.parametrize("num_features", [SQUAD_V2_EXAMPLES, SQUAD_V2_FEATURES])
@pytest.mark.parametrize("point", README_POINTS, ids=lambda point: point.name)
def test_every_point_of_the_readme_fits_squad_v2(
    point: SweepPoint, num_features: int, deberta_base: DebertaV2Config
) -> None:
    recipe = point.recipe
    plan = plan_run(deberta_base, num_features, recipe)
    steps_per_epoch = -(-num_features // 16)
    assert plan.total_steps == steps_per_epoch * (12 if recipe.adapter.type == "svd" else 8)
    singular = MATRICES if recipe.adapter.type == "svd" else 0
    assert plan.adapter_parameters == recipe.adapter.r * (165_888 + singular)
    assert plan.trained_parameters == plan.adapter_parameters + plan.head_parameters
    assert sum(group.parameters for group in plan.groups) == plan.trained_parameters
    assert sum(group.matrices or 0 for group in plan.groups) == MATRICES
    shown = plan.shown_rounds
    assert len(shown) == (0 if plan.schedule is None else SHOWN_ROUNDS)
    assert plan.warmup_steps == 1000
    if recipe.allocator.type == "none":
        assert plan.schedule is None
        return
    assert plan.schedule is not None and recipe.allocator.target_r is not None
    assert plan.schedule.start_budget == MATRICES * recipe.adapter.r
    assert plan.schedule.target_budget == MATRICES * recipe.allocator.target_r
    assert (plan.schedule.tinit, plan.schedule.tfinal) == (5000, 50_000)


@pytest.mark.parametrize("point", points_of("squad_v1_svd.yaml"), ids=lambda point: point.name)
def test_every_budget_of_the_paper_fits_squad_v1(
    point: SweepPoint, deberta_base: DebertaV2Config
) -> None:
    plan = plan_run(deberta_base, SQUAD_V1_FEATURES, point.recipe)
    assert plan.schedule is not None
    assert plan.schedule.final_step == plan.total_steps - 25_000


def test_there_are_sixteen_points_of_the_readme() -> None:
    assert len(README_POINTS) == 16


def test_a_schedule_that_does_not_fit_shows_the_steps_and_what_would_fit(
    plan_tiny: Callable[..., Plan],
) -> None:
    allocator = {"type": "adalora", "target_r": 2, "tinit": 9, "tfinal": 7, "delta_t": 2}
    with pytest.raises(ScheduleError) as caught:
        plan_tiny(allocator=allocator, train={"epochs": 2, "batch_size": 8})
    line = str(caught.value)
    assert "\n" not in line
    assert "tinit 9 + allocator.tfinal 7 do not fit a run of 16 steps" in line
    assert "64 features / batch 8 = 8 steps an epoch, 16 in all" in line
    assert "tinit: 0.1, tfinal: 0.3 fit any run" in line


def test_the_shares_that_the_message_names_do_fit(plan_tiny: Callable[..., Plan]) -> None:
    allocator = {"type": "adalora", "target_r": 2, "tinit": 0.1, "tfinal": 0.3, "delta_t": 1}
    plan = plan_tiny(allocator=allocator, train={"epochs": 2, "batch_size": 8})
    assert plan.schedule is not None
    assert (plan.schedule.tinit, plan.schedule.tfinal) == (2, 5)


def test_a_target_total_above_the_start_is_refused(plan_tiny: Callable[..., Plan]) -> None:
    allocator = {"type": "adalora", "target_total": 49, "tinit": 1, "tfinal": 1}
    with pytest.raises(ScheduleError, match=r"allocator.target_total is 49 triplets; 1\.\.48"):
        plan_tiny(allocator=allocator)


@pytest.mark.parametrize(
    ("train", "steps"),
    [
        ({"epochs": 3}, 24),
        ({"epochs": 0.4}, 4),  # 3.2 steps: a started one counts
        ({"max_steps": 5}, 5),
    ],
)
def test_steps_are_max_steps_or_epochs_rounded_up(
    train: dict[str, Any], steps: int, tiny_recipe: Callable[..., Recipe]
) -> None:
    recipe = tiny_recipe(train=train, adapter={"type": "frd"}, allocator={"type": "none"})
    assert count_steps(recipe, steps_per_epoch=8) == steps


def test_the_last_smaller_batch_is_a_step(
    tiny_model_dir: Path, tiny_recipe: Callable[..., Recipe]
) -> None:
    recipe = tiny_recipe(train={"epochs": 1, "batch_size": 8}, allocator={"type": "none"})
    assert plan_run(AutoConfig.from_pretrained(tiny_model_dir), 65, recipe).total_steps == 9


def test_periods_and_warm_up_may_be_shares(plan_tiny: Callable[..., Plan]) -> None:
    train = {"max_steps": 40, "warmup_steps": 0.1, "save_every": 0.25}
    plan = plan_tiny(train=train, eval={"every": 0.001})
    assert (plan.warmup_steps, plan.save_every, plan.eval_every) == (4, 10, 1)


def test_r_beyond_the_smallest_matrix_is_refused(plan_tiny: Callable[..., Plan]) -> None:
    with pytest.raises(AdapterError, match=r"adapter.r is 33; the smallest matrix allows 1\.\.32"):
        plan_tiny(adapter={"type": "svd", "r": 33})


@pytest.mark.parametrize(
    ("adapter", "trained"),
    [({"type": "none"}, 66), ({"type": "none", "full": True}, 42_594)],
)
def test_without_adapters_the_head_or_everything_trains(
    adapter: dict[str, Any], trained: int, plan_tiny: Callable[..., Plan]
) -> None:
    plan = plan_tiny(adapter=adapter, allocator={"type": "none"})
    assert (plan.matrices, plan.adapter_parameters) == ({}, 0)
    assert plan.trained_parameters == trained


def test_a_plan_as_json_counts_its_rounds(plan_tiny: Callable[..., Plan]) -> None:
    shown = plan_tiny().to_dict()
    assert shown["schedule"]["num_rounds"] == 3  # after steps 4, 6 and 8
    assert shown["parameters_per_rank"] == 2 * (4 * 64 + 2 * 80)
    assert shown["matrices"]["bert.encoder.layer.0.intermediate.dense"] == [32, 48]


@pytest.mark.parametrize(("epochs", "steps"), [(1.1, 110), (0.07, 7), (2, 200), (1.001, 101)])
def test_a_part_of_an_epoch_is_rounded_up_and_float_error_is_not(
    tiny_recipe: Callable[..., Recipe], epochs: float, steps: int
) -> None:
    recipe = tiny_recipe(train={"epochs": epochs}, allocator={"type": "none"})
    assert count_steps(recipe, 100) == steps


def test_a_warm_up_as_long_as_the_run_is_refused(plan_tiny: Callable[..., Plan]) -> None:
    with pytest.raises(ScheduleError, match="train.warmup_steps is 12; this run has 12 steps"):
        plan_tiny(train={"max_steps": 12, "warmup_steps": 12}, allocator={"type": "none"})


@pytest.mark.parametrize(
    ("adapter", "groups"),
    [
        ({"type": "none"}, {"head": 66}),
        ({"type": "none", "full": True}, {"head": 66, "base": 42_528}),
        (
            {"type": "svd", "r": 4, "target_modules": ["query", "intermediate"]},
            {
                "bert.encoder.layer.*.attention.self.query": 2 * 4 * (32 + 32 + 1),
                "bert.encoder.layer.*.intermediate.dense": 2 * 4 * (32 + 48 + 1),
                "head": 66,
            },
        ),
        (
            {"type": "frd", "r": 4, "target_modules": ["query"]},
            {"bert.encoder.layer.*.attention.self.query": 2 * 4 * (32 + 32), "head": 66},
        ),
    ],
)
def test_what_trains_is_counted_by_kind(
    adapter: dict[str, Any], groups: dict[str, int], plan_tiny: Callable[..., Plan]
) -> None:
    plan = plan_tiny(adapter=adapter, allocator={"type": "none"})
    assert {group.name: group.parameters for group in plan.groups} == groups
    assert plan.trained_parameters == sum(groups.values())
    assert plan.adapter_parameters == sum(groups.values()) - 66 - groups.get("base", 0)


def test_shown_rounds_tell_epoch_budget_and_mean_rank(plan_tiny: Callable[..., Plan]) -> None:
    plan = plan_tiny(train={"epochs": 4, "batch_size": 8})  # 32 steps, r 4 -> 2, final from 28
    shown = plan.to_dict()["schedule"]["shown_rounds"]
    assert len(shown) == SHOWN_ROUNDS
    assert shown[0] == {"step": 4, "epoch": 0.5, "budget": 42, "mean_rank": 3.5}
    assert shown[-1] == {"step": 28, "epoch": 3.5, "budget": 24, "mean_rank": 2.0}


def test_without_an_allocator_no_round_is_shown(plan_tiny: Callable[..., Plan]) -> None:
    assert plan_tiny(allocator={"type": "none"}).shown_rounds == []


@given(st.integers(0, 500), st.integers(2, 12))
def test_what_is_picked_has_both_ends_rises_and_is_as_much_as_asked(length: int, most: int) -> None:
    items = [3 * place for place in range(length)]
    picked = pick_evenly(items, most)
    assert len(picked) == min(length, most)
    assert picked == sorted(set(picked)) and set(picked) <= set(items)
    assert picked[:1] == items[:1] and picked[-1:] == items[-1:]
