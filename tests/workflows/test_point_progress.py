import json
from pathlib import Path
from typing import Any

import pytest

from qarank.artifacts.run_dir import RunDir
from qarank.workflows.point_progress import PointProgress, read_progress

PLAN = {"total_steps": 100, "schedule": {"start_budget": 48}}
ESTIMATE = {"total_s": 500.0, "evaluation_s": 60.0}


def write(folder: Path, *lines: dict[str, Any], rounds: tuple[int, ...] = (), **run: Any) -> RunDir:
    run_dir = RunDir(folder)
    run_dir.write_run({"state": "running", "plan": PLAN, "estimate": ESTIMATE, **run})
    run_dir.metrics_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run_dir.ranks_path.write_text("".join(json.dumps({"budget": each}) + "\n" for each in rounds))
    return run_dir


def test_a_run_that_has_not_begun_is_at_its_start(tmp_path: Path) -> None:
    found = read_progress("a", RunDir(tmp_path / "a"), "running")
    assert found == PointProgress("a", "running")


def test_before_the_first_line_the_rehearsal_says_how_long(tmp_path: Path) -> None:
    found = read_progress("a", write(tmp_path), "running")
    assert (found.step, found.total_steps, found.budget) == (0, 100, 48)
    assert found.left_s == 500.0


def test_the_latest_of_each_figure_counts(tmp_path: Path) -> None:
    lines = [
        {"global_step": 10, "train/loss": 4.0, "train/step_s": 3.0},
        {"global_step": 10, "eval/exact_match": 20.0, "eval/f1": 30.0},
        {"global_step": 20, "train/loss": None, "train/step_s": 2.0},
    ]
    found = read_progress("a", write(tmp_path, *lines, rounds=(44, 40)), "running")
    assert (found.step, found.loss, found.exact, found.f1) == (20, 4.0, 20.0, 30.0)
    assert found.budget == 40
    assert found.left_s == pytest.approx(80 * 2.0 + 0.8 * 60.0)


@pytest.mark.parametrize("state", ["finished", "failed", "stopped"])
def test_what_has_ended_has_no_time_left(tmp_path: Path, state: Any) -> None:
    found = read_progress("a", write(tmp_path), state, note="why")
    assert found.left_s is None and found.note == "why"


def test_without_rounds_there_is_no_budget(tmp_path: Path) -> None:
    plan = {"total_steps": 100, "schedule": None}
    assert read_progress("a", write(tmp_path, plan=plan), "running").budget is None
