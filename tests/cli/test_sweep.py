import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

POINTS = {
    "points": [
        {"name": "lora", "adapter": {"type": "frd", "r": 2}, "allocator": {"type": "none"}},
        {"name": "adalora", "allocator.target_r": 1},
    ]
}


@pytest.fixture
def recipe(recipe_file: Callable[..., Path]) -> Path:
    """A sweep of LoRA against AdaLoRA."""
    return recipe_file(sweep=POINTS)


def test_a_sweep_is_told_point_by_point_and_ends_with_a_table(
    recipe: Path, run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    done = run_cli("sweep", recipe)
    assert done.code == 0
    assert done.err.splitlines() == [
        "point 1 of 2: lora, running",
        "point 2 of 2: adalora, running",
    ]
    assert "lora" in done.out and "adalora" in done.out
    assert (tmp_path / "runs/tiny/summary.csv").is_file()
    again = run_cli("sweep", recipe, "--json")
    assert again.err.splitlines()[0] == "point 1 of 2: lora, finished before, kept"
    summary = json.loads(again.out)
    assert [row["was_finished"] for row in summary["points"]] == [True, True]
    assert summary == json.loads((tmp_path / "runs/tiny/summary.json").read_text())


def test_quiet_says_nothing_on_the_way(recipe: Path, run_cli: Callable[..., Any]) -> None:
    assert run_cli("sweep", recipe, "-q").err == ""


def test_a_dry_run_lists_the_points_and_makes_nothing(
    recipe: Path, run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    shown = json.loads(run_cli("sweep", recipe, "--dry-run", "--json").out)
    assert [point["point"] for point in shown] == ["lora", "adalora"]
    assert shown[1]["folder"] == f"{tmp_path}/runs/tiny/adalora"
    assert "adalora" in run_cli("sweep", recipe, "--dry-run").out
    assert not (tmp_path / "runs").exists()


def test_a_changed_point_is_one_line(recipe: Path, run_cli: Callable[..., Any]) -> None:
    run_cli("sweep", recipe, "-q")
    done = run_cli("sweep", recipe, "--set", "train.learning_rate=0.002", "-q")
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert "lora holds a run of another recipe: " in line and "--overwrite replaces it" in line
