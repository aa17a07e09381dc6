"""Allocators on two processes against one: all decide alike, whatever they go by."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.config.schema import Recipe
from tests.distributed.runs import (
    assert_equal,
    assert_same_rounds,
    finish_on,
    read_lines,
    read_run,
)

START_BUDGET = 96  # r 8 for 12 matrices


@pytest.mark.parametrize("kind", ["norm", "random"])
def test_triplets_are_chosen_alike_on_two_processes(
    telling_recipe: Callable[..., Recipe], kind: str
) -> None:
    one, two = (
        finish_on(size, telling_recipe(name=f"on_{size}", allocator={"type": kind}))
        for size in (1, 2)
    )
    assert_same_rounds(one, two, start_budget=START_BUDGET, min_revived=0)
    assert_equal(one, two)


@pytest.mark.parametrize("kind", ["adalora", "norm"])
def test_parameters_are_spent_alike_on_two_processes(
    telling_recipe: Callable[..., Recipe], kind: str
) -> None:
    keys = {"type": kind, "budget_unit": "parameters", "target_total": 900}
    one, two = (
        finish_on(size, telling_recipe(name=f"on_{size}", allocator=keys)) for size in (1, 2)
    )
    rounds, others = (read_lines(folder / "ranks.jsonl") for folder in (one, two))
    for key in ("global_step", "budget", "ranks", "mask_hash"):
        assert [line[key] for line in rounds] == [line[key] for line in others]
    costs = {path: sum(shape) for path, shape in read_run(one)["plan"]["matrices"].items()}
    for line in rounds:
        spent = sum(rank * costs[path] for path, rank in line["ranks"].items())
        assert 0 <= line["budget"] - spent < max(costs.values())
    assert_equal(one, two)


def test_given_ranks_are_trained_alike_on_two_processes(
    telling_recipe: Callable[..., Recipe], tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    sections: dict[str, Any] = telling_recipe().model_dump(exclude_unset=True)
    matrices = read_run(finish_on(1, telling_recipe(name="whose")))["plan"]["matrices"]
    pattern = {path: number % 4 for number, path in enumerate(matrices)}
    path = tmp_path / "ranks.json"
    path.write_text(json.dumps(pattern))
    given = {"allocator": {"type": "file", "pattern": str(path)}}
    one, two = (
        finish_on(size, tiny_recipe(**(sections | given | {"name": f"on_{size}"})))
        for size in (1, 2)
    )
    for folder in (one, two):
        (told,) = read_lines(folder / "ranks.jsonl")
        assert (told["global_step"], told["ranks"]) == (0, pattern)
    assert_equal(one, two)
