"""Allocators on the command line: what is shown, and what is refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def train_pattern(
    run_cli: Callable[..., Any], recipe_file: Callable[..., Path]
) -> Callable[..., Any]:
    """Trains with the ranks of a path."""

    def train(path: Path, *more: str) -> Any:
        recipe = recipe_file(allocator={"type": "file", "pattern": str(path)})
        return run_cli("train", recipe, "-q", *more)

    return train


def refuse_in_a_line(done: Any, *words: str) -> None:
    assert done.code == 2, done.err
    (line,) = done.err.splitlines()
    assert done.out == "" and all(word in line for word in words), line


def test_a_run_as_pattern_is_trained_and_its_ranks_shown(
    train_pattern: Callable[..., Any],
    run_cli: Callable[..., Any],
    trained_run: Path,
    tmp_path: Path,
) -> None:
    done = train_pattern(trained_run, "--json")
    assert done.code == 0, done.err
    ranks = json.loads((trained_run / "run.json").read_text())["result"]["ranks"]
    assert json.loads(done.out)["result"]["ranks"] == ranks
    shown = run_cli("inspect-ranks", tmp_path / "runs/tiny", "--json")
    matrices = json.loads(shown.out)["matrices"]
    assert {matrix["path"]: matrix["rank"] for matrix in matrices} == ranks
    assert "24 triplets of 48 kept" in run_cli("inspect-ranks", tmp_path / "runs/tiny").out


def test_a_plan_shows_the_patterns_triplets_or_the_budgets_unit(
    train_pattern: Callable[..., Any],
    run_cli: Callable[..., Any],
    recipe_file: Callable[..., Path],
    trained_run: Path,
) -> None:
    out = train_pattern(trained_run, "--dry-run").out
    assert "triplets, from the start" in out and " 24 " in out
    keys = {"target_r": 2, "budget_unit": "parameters", "tinit": 2, "tfinal": 4, "delta_t": 2}
    out = run_cli("train", recipe_file(allocator={"type": "norm", **keys}), "--dry-run").out
    assert " parameters " in out and "3,328 -> 1,664" in out


def test_a_pattern_that_is_not_there_is_refused(
    train_pattern: Callable[..., Any], tmp_path: Path
) -> None:
    for name in ("none.json", "none"):
        told = (f"allocator.pattern: {tmp_path / name}: there is no such folder or file",)
        refuse_in_a_line(train_pattern(tmp_path / name), *told, "or a rank_pattern.json is allowed")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("text", ["", "not json", "[1]", '{"a": "b"}', '{"a": -1}'])
def test_a_pattern_that_holds_no_ranks_is_refused(
    text: str, train_pattern: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "odd.json"
    path.write_text(text)
    refuse_in_a_line(train_pattern(path), "odd.json holds no ranks", "rank_pattern.json")
    assert not (tmp_path / "runs").exists()


def test_a_pattern_of_other_matrices_is_refused(
    train_pattern: Callable[..., Any], trained_run: Path, tmp_path: Path
) -> None:
    more = ("--set", "adapter.target_modules=[query]")
    words = ("which is not adapted", "adapter.target_modules", "2 matrices here, 12 there")
    refuse_in_a_line(train_pattern(trained_run, *more), *words)
    path = tmp_path / "few.json"
    path.write_text('{"bert.encoder.layer.0.attention.self.query": 2}')
    refuse_in_a_line(train_pattern(path), "few.json has no rank for", "12 matrices here, 1 there")


def test_a_pattern_of_larger_ranks_is_refused(
    train_pattern: Callable[..., Any], trained_run: Path
) -> None:
    done = train_pattern(trained_run, "--set", "adapter.r=1")
    refuse_in_a_line(done, "adapter.r is 1, it must be at least as much")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"type": "file"}, ["allocator.type file needs allocator.pattern"]),
        ({"type": "norm", "target_r": 2, "beta1": 0.5}, ["allocator.beta1 has no effect"]),
        ({"type": "norm", "target_r": 9}, ["allocator.target_r is 9", "at most adapter.r, 4"]),
        ({"type": "nrom", "target_r": 2}, ["allocator.type", "norm"]),
        (
            {"type": "norm", "target_total": 63, "budget_unit": "parameters"},
            ["allocator.target_total is 63 parameters; 64..3328 are allowed"],
        ),
    ],
)
def test_keys_that_cannot_be_are_refused(
    keys: dict[str, object],
    words: list[str],
    run_cli: Callable[..., Any],
    recipe_file: Callable[..., Path],
) -> None:
    recipe = recipe_file(allocator={"type": "none"})
    sets = [word for key, value in keys.items() for word in ("--set", f"allocator.{key}={value}")]
    refuse_in_a_line(run_cli("train", recipe, "-q", *sets), *words)
