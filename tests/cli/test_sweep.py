"""The sweep as a user runs it: points are processes of their own, which costs seconds each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LORA = {"name": "lora", "adapter": {"type": "frd", "r": 2}, "allocator": {"type": "none"}}
ADALORA = {"name": "adalora", "allocator.target_r": 1}
NAN = {"name": "nan", "train.learning_rate": 1e30, "allocator.target_r": 1}


def test_a_sweep_is_told_point_by_point_and_ends_with_a_table(
    recipe_file: Callable[..., Path], run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = recipe_file(sweep={"points": [LORA, NAN, ADALORA]})
    done = run_cli("sweep", recipe, "--jobs", "2", "--threads", "1")
    assert done.code == 3
    *told, page, failure = done.err.splitlines()
    assert set(told) >= {
        "point 1 of 3: lora, running",
        "point 1 of 3: lora, finished",
        "point 3 of 3: adalora, running",
        "point 3 of 3: adalora, finished",
    }
    (why,) = (line for line in told if line.startswith("point 2 of 3: nan, failed: "))
    assert "step 2: the loss is nan" in why
    folder = tmp_path / "runs/tiny"
    assert page == f"report: {folder}/report.html"
    assert failure.startswith("qarank: 1 of 3 points failed; nan: step 2: the loss is nan")
    log = folder / "jobs/nan.log"
    assert failure.endswith(f"(all it said: {log})") and "the loss is nan" in log.read_text()
    assert "lora" in done.out and "adalora" in done.out
    again = run_cli("sweep", recipe, "--only", "*lora", "--json")
    assert again.code == 0
    assert again.err.splitlines()[0] == "point 1 of 3: lora, finished before, kept"
    summary = json.loads(again.out)
    assert [row["state"] for row in summary["points"]] == ["finished", "failed", "finished"]
    assert [row["was_finished"] for row in summary["points"]] == [True, False, True]
    assert summary == json.loads((folder / "summary.json").read_text())
    quiet = run_cli("sweep", recipe, "--only", "lora", "-q")
    assert quiet.err == ""


def test_a_dry_run_shows_the_points_and_makes_nothing(
    recipe_file: Callable[..., Path], run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = recipe_file(sweep={"points": [LORA, ADALORA]})
    shown = json.loads(run_cli("sweep", recipe, "--dry-run", "--json").out)
    assert [point["point"] for point in shown] == ["lora", "adalora"]
    assert shown[1]["folder"] == f"{tmp_path}/runs/tiny/adalora"
    assert [point["state"] for point in shown] == ["new", "new"]
    assert shown[0]["schedule"] is None
    assert (shown[1]["schedule"]["start_budget"], shown[1]["schedule"]["tinit"]) == (48, 2)
    assert "adalora" in run_cli("sweep", recipe, "--dry-run").out
    both = run_cli("sweep", recipe, "--dry-run", "--json", "--only", "ada*", "--only", "lora")
    assert [point["point"] for point in json.loads(both.out)] == ["lora", "adalora"]
    assert not (tmp_path / "runs").exists()


def test_a_pattern_that_fits_no_point_is_one_line(
    recipe_file: Callable[..., Path], run_cli: Callable[..., Any]
) -> None:
    recipe = recipe_file(sweep={"points": [LORA, ADALORA]})
    done = run_cli("sweep", recipe, "--only", "ada")
    assert done.code == 2
    assert done.err.splitlines() == ["qarank: --only ada fits none of the 2 points: lora, adalora"]


@pytest.mark.parametrize("option", [["--address", "auto"], ["--jobs", "0"], ["--executor", "sun"]])
def test_options_that_cannot_be_are_the_users_mistake(
    recipe_file: Callable[..., Path],
    run_cli: Callable[..., Any],
    tmp_path: Path,
    option: list[str],
) -> None:
    done = run_cli("sweep", recipe_file(sweep={"points": [LORA]}), *option)
    assert done.code == 2 and option[0] in done.err
    assert not (tmp_path / "runs").exists()
