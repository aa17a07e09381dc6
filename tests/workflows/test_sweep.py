import csv
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.artifacts.run_dir import RunDir
from qarank.config.load import parse_recipe
from qarank.config.schema import Recipe
from qarank.config.sweep_points import SweepPoint, expand_points
from qarank.errors import RunDirError, ScheduleError, StoppedError
from qarank.workflows.sweep import COLUMNS, run_sweep
from qarank.workflows.train import run_path

LORA = {"name": "lora", "adapter": {"type": "frd", "r": 2}, "allocator": {"type": "none"}}
ADALORA = {"name": "adalora", "allocator.target_r": 1}


@pytest.fixture
def sweep(tiny_recipe: Callable[..., Recipe]) -> Callable[..., tuple[dict[str, Any], list[bool]]]:
    """Runs a sweep of two points; returns its summary, and which points had been finished."""

    def run(*points: Any, overwrite: bool = False) -> tuple[dict[str, Any], list[bool]]:
        expanded = expand(tiny_recipe, *points)
        finished: list[bool] = []
        summary = run_sweep(
            Path(expanded[0].recipe.runs_dir),
            expanded,
            overwrite=overwrite,
            show_progress=False,
            on_point=lambda _, __, was_finished: finished.append(was_finished),
        )
        return summary, finished

    return run


def expand(tiny_recipe: Callable[..., Recipe], *points: Any) -> list[SweepPoint]:
    return expand_points(tiny_recipe(sweep={"points": list(points or (LORA, ADALORA))}))


def test_each_point_is_a_run_and_a_row(sweep: Any, tmp_path: Path) -> None:
    summary, finished = sweep()
    assert finished == [False, False]
    folder = tmp_path / "runs" / "tiny"
    assert json.loads((folder / "summary.json").read_text()) == summary
    lora, adalora = summary["points"]
    assert [lora["point"], adalora["point"]] == ["lora", "adalora"]
    assert (lora["start_budget"], lora["final_ranks"]) == (None, 24)
    assert (adalora["start_budget"], adalora["final_ranks"]) == (48, 12)
    assert lora["final_parameters"] == lora["trained_parameters"]
    assert adalora["final_parameters"] < adalora["trained_parameters"]
    for row in summary["points"]:
        assert RunDir(folder / row["point"]).read_run()["result"]["metrics"] == row["metrics"]
    with (folder / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["point"] for row in rows] == ["lora", "adalora"]
    assert float(rows[1]["f1"]) == adalora["f1"]


def test_finished_points_are_not_run_again(sweep: Any, tmp_path: Path) -> None:
    first, _ = sweep(LORA)
    second, finished = sweep(LORA, ADALORA)
    assert finished == [True, False]
    assert [row["was_finished"] for row in second["points"]] == [True, False]
    same = {**second["points"][0], "was_finished": False}
    assert same == first["points"][0]
    assert len(json.loads((tmp_path / "runs/tiny/summary.json").read_text())["points"]) == 2


def test_finished_points_are_run_again_when_asked(sweep: Any, tmp_path: Path) -> None:
    sweep(LORA)
    mark = tmp_path / "runs/tiny/lora/eval/mark"
    mark.touch()
    _, finished = sweep(LORA, overwrite=True)
    assert finished == [False]
    assert not mark.exists()


def test_a_point_that_was_changed_is_refused_before_any_runs(sweep: Any, tmp_path: Path) -> None:
    sweep(LORA)
    changed = {**LORA, "adapter": {"type": "frd", "r": 3}}
    with pytest.raises(
        RunDirError, match="lora holds a run of another recipe: .*; --overwrite replaces it"
    ):
        sweep(ADALORA, changed)
    assert not (tmp_path / "runs/tiny/adalora").exists()


def test_an_unfinished_point_goes_on_after_its_newest_checkpoint(
    sweep: Any, tmp_path: Path
) -> None:
    first, _ = sweep(LORA)
    run_dir = RunDir(tmp_path / "runs/tiny/lora")
    run_dir.write_run({**run_dir.read_run(), "state": "running"})
    summary, finished = sweep(LORA)
    assert finished == [False]
    assert run_dir.is_finished
    assert run_dir.read_run()["resumed"][0]["from"] == "step_000012"
    assert summary["points"][0]["metrics"] == first["points"][0]["metrics"]


def test_a_sweep_that_was_stopped_goes_on_by_the_same_command(
    sweep: Any, at_step: Callable[[int, Callable[[], Any]], None], tmp_path: Path
) -> None:
    sweep(LORA)
    at_step(5, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(StoppedError) as caught:
        sweep()
    assert caught.value.hint == "go on with the same command"
    summary, finished = sweep()
    assert finished == [True, False]
    assert [row["point"] for row in summary["points"]] == ["lora", "adalora"]
    stopped = RunDir(tmp_path / "runs/tiny/adalora").read_run()
    assert [entry["from"] for entry in stopped["resumed"]] == ["step_000005"]
    assert "resumed" not in RunDir(tmp_path / "runs/tiny/lora").read_run()


def test_a_folder_of_somebody_else_is_refused(sweep: Any, tmp_path: Path) -> None:
    folder = tmp_path / "runs/tiny/lora"
    folder.mkdir(parents=True)
    (folder / "letter.txt").write_text("mine")
    with pytest.raises(RunDirError, match="holds files of somebody else"):
        sweep(LORA, overwrite=True)
    assert (folder / "letter.txt").read_text() == "mine"


def test_a_point_is_a_recipe_like_any_other(tiny_recipe: Callable[..., Recipe]) -> None:
    for point in expand(tiny_recipe):
        assert run_path(point.recipe).name == point.name
        assert parse_recipe(point.recipe.model_dump(exclude_unset=True), "x") == point.recipe


def test_a_point_that_cannot_run_is_told_before_the_first_one_trains(
    sweep: Any, tmp_path: Path
) -> None:
    with pytest.raises(ScheduleError, match="do not fit a run of 12 steps"):
        sweep(LORA, {"name": "late", "allocator.tinit": 11, "allocator.target_r": 1})
    assert not (tmp_path / "runs").exists()


def test_a_sweep_is_not_laid_into_a_run(tiny_recipe: Callable[..., Recipe]) -> None:
    points = expand(tiny_recipe)
    folder = Path(points[0].recipe.runs_dir)
    folder.mkdir(parents=True)
    RunDir(folder).write_run({"state": "finished"})
    with pytest.raises(RunDirError, match="holds a run; give the sweep another name"):
        run_sweep(folder, points, overwrite=True, show_progress=False)
