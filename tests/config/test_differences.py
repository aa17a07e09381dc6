from typing import Any

import pytest

from qarank.config.differences import HOW_NOT_WHAT, list_differences, list_means
from qarank.config.load import parse_recipe
from qarank.config.schema import Recipe


def recipe(**sections: Any) -> Recipe:
    smallest: dict[str, Any] = {
        "name": "r",
        "model": {"name_or_path": "m"},
        "data": {"source": "squad_v2"},
        "train": {"epochs": 1},
    }
    return parse_recipe(smallest | sections, "r")


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"seed": 7}, "seed is 42 there, 7 here"),
        ({"train": {"epochs": 2}}, "train.epochs is 1 there, 2 here"),
        (
            {"train": {"epochs": 1, "batch_size": 4}},
            "train.batch_size is 16 there, 4 here",
        ),
        ({"data": {"source": "squad"}}, "data.source is 'squad_v2' there, 'squad' here"),
    ],
)
def test_a_key_that_differs_is_named_with_both_values(changed: dict[str, Any], line: str) -> None:
    assert list_differences(recipe(), recipe(**changed)) == [line]


def test_there_and_here_are_told_apart() -> None:
    one, two = recipe(seed=1), recipe(seed=2)
    assert list_differences(two, one) == ["seed is 2 there, 1 here"]


def test_every_difference_is_listed() -> None:
    other = recipe(seed=7, adapter={"type": "frd", "r": 3}, train={"epochs": 1, "warmup_steps": 5})
    keys = [line.split(" is ")[0] for line in list_differences(recipe(), other)]
    assert {"seed", "adapter.type", "adapter.r", "train.warmup_steps"} <= set(keys)
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("moved", [{"name": "other"}, {"runs_dir": "/elsewhere"}])
def test_where_a_run_lies_is_no_difference(moved: dict[str, str]) -> None:
    assert list_differences(recipe(), recipe(**moved)) == []


def test_a_default_that_is_written_out_is_no_difference() -> None:
    written = recipe(seed=42, train={"epochs": 1, "batch_size": 16, "max_grad_norm": 1.0})
    assert list_differences(recipe(), written) == []


def test_how_a_run_is_made_may_change_and_is_told() -> None:
    train = {"epochs": 1, "micro_batch_size": 2, "gradient_checkpointing": True}
    other = recipe(train={**train, "keep_checkpoints": 9}, eval={"batch_size": 4})
    assert list_differences(recipe(), other) == []
    assert list_means(recipe(), other)[0] == "train.micro_batch_size is null there, 2 here"
    assert len(list_means(recipe(), other)) == len(HOW_NOT_WHAT)
    assert list_means(recipe(), recipe(seed=7)) == []
