"""A sweep that is killed, twice, and started again by the same command."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults.comparing import assert_same_run, without_times
from tests.faults.conftest import ENVIRONMENT

LORA = {"name": "lora", "adapter": {"type": "frd", "r": 2}, "allocator": {"type": "none"}}
ADALORA = {"name": "adalora", "allocator.target_r": 1}
SWEEP = json.dumps({"points": [LORA, ADALORA]})  # JSON is YAML


def start(recipe: Path, runs_dir: Path, *options: str) -> subprocess.Popen[str]:
    overrides = ["--set", f"runs_dir={runs_dir}", "--set", f"sweep={SWEEP}"]
    command = [sys.executable, "-m", "qarank", "sweep", str(recipe), *overrides, *options]
    return subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    _, told = process.communicate(timeout=200)
    assert process.returncode == 0, told
    return told


def wait_for(has_come: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 120
    while not has_come():
        assert process.poll() is None and time.monotonic() < until, "it never came"
        time.sleep(0.02)


def read_points(folder: Path) -> list[dict[str, Any]]:
    points = json.loads((folder / "summary.json").read_text())["points"]
    return [{**without_times(point), "was_finished": None} for point in points]


@pytest.mark.timeout(600)  # ten processes start one after another
@pytest.mark.parametrize(
    "options",
    [(), pytest.param(("--jobs", "2"), marks=pytest.mark.slow)],
    ids=["one_at_a_time", "two_at_a_time"],
)
def test_killed_twice_it_ends_as_one_that_never_was(
    recipe_file: Path, tmp_path: Path, options: Sequence[str]
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(recipe_file, whole, "--threads", "1"))
    for name in ("lora", "adalora"):
        process = start(recipe_file, killed, "--threads", "1", *options)
        checkpoint = killed / "run" / name / "checkpoints/step_000012"
        wait_for(checkpoint.is_dir, process)
        process.kill()  # its points learn of it by their lifelines: they save, and end
        process.communicate(timeout=60)
    told = finish(start(recipe_file, killed, "--threads", "1", *options))
    assert "adalora, finished" in told
    for name in ("lora", "adalora"):
        assert_same_run(killed / "run" / name, whole / "run" / name)
        resumed = json.loads((killed / "run" / name / "run.json").read_text())["resumed"]
        assert 1 <= len(resumed) <= 2
    assert read_points(killed / "run") == read_points(whole / "run")
