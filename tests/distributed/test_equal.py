"""Runs on several processes against one: the same decisions, losses but for roundings."""

from collections.abc import Callable
from typing import Any

import pytest

from qarank.config.schema import Recipe
from tests.distributed.runs import (
    BASE,
    STEPS,
    assert_equal,
    assert_same_rounds,
    finish_on,
    read_losses,
    read_run,
)

START_BUDGET = 96  # r 8 for 12 matrices
ONE_LEFT_OVER = {"max_train_examples": 66}  # features: the last batch of an epoch has one row

slow = pytest.mark.slow


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="plain"),
        pytest.param({"train": {"micro_batch_size": 2}}, id="accumulation", marks=slow),
        pytest.param({"data": ONE_LEFT_OVER}, id="one row left over", marks=slow),
        pytest.param(
            {
                "data": ONE_LEFT_OVER,
                "train": {"group_by_length": False, "micro_batch_size": 2},
            },
            id="one row left over, accumulation, no grouping",
        ),
    ],
)
def test_two_processes_choose_and_learn_what_one_does(
    telling_recipe: Callable[..., Recipe], changes: dict[str, Any]
) -> None:
    one, two = (finish_on(size, telling_recipe(name=f"on_{size}", **changes)) for size in (1, 2))
    if "data" in changes:
        assert read_run(one)["data"]["train"]["features"] % 8 == 1
    assert_same_rounds(one, two, start_budget=START_BUDGET)
    assert_equal(one, two)


def test_three_processes_choose_and_learn_what_one_does(
    telling_recipe: Callable[..., Recipe],
) -> None:
    one, three = (
        finish_on(size, telling_recipe(name=f"on_{size}", data=ONE_LEFT_OVER)) for size in (1, 3)
    )
    assert_same_rounds(one, three, start_budget=START_BUDGET)
    assert_equal(one, three)


def test_doublets_are_chosen_alike_on_two_processes(
    telling_recipe: Callable[..., Recipe],
) -> None:
    one, two = (
        finish_on(size, telling_recipe(name=f"on_{size}", adapter={"type": "frd"}))
        for size in (1, 2)
    )
    assert_same_rounds(one, two, start_budget=START_BUDGET, min_revived=0)
    assert_equal(one, two)


@pytest.mark.parametrize("full", [True, pytest.param(False, marks=slow)])
def test_a_base_models_own_weights_learn_the_same_on_two_processes(
    tiny_recipe: Callable[..., Recipe], telling_recipe: Callable[..., Recipe], full: bool
) -> None:
    changes = {
        "model": telling_recipe().model.model_dump(exclude_unset=True),
        "adapter": {"type": "none", "full": full},
        "allocator": {"type": "none"},
        "train": {**STEPS, "learning_rate": 0.001},
        "eval": BASE["eval"],
    }
    one, two = (finish_on(size, tiny_recipe(name=f"on_{size}", **changes)) for size in (1, 2))
    assert_equal(one, two)
    assert len(read_losses(one)) == len(set(read_losses(one).values()))


def test_gradient_checkpointing_changes_nothing_on_two_processes(
    telling_recipe: Callable[..., Recipe],
) -> None:
    plain, saving = (
        finish_on(2, telling_recipe(name=f"saving_{on}", train={"gradient_checkpointing": on}))
        for on in (False, True)
    )
    assert_same_rounds(plain, saving, start_budget=START_BUDGET)
    assert_equal(plain, saving)
