import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.launching import Launcher

STOPS = [signal.SIGTERM, signal.SIGINT]
IN_STEP = {"scope": "step", "step": 39, "number": 100}
IN_EVALUATION = {"scope": "evaluation", "step": 45, "number": 60}
IN_SCORING = {"scope": "evaluation", "step": 45, "number": 500}
IN_SAVE = {"scope": "save", "step": 42, "number": 150}


@pytest.mark.parametrize(
    ("stop", "moment", "step"),
    [
        (signal.SIGTERM, IN_STEP, 39),
        (signal.SIGINT, IN_STEP, 39),
        (signal.SIGTERM, IN_SAVE, 43),  # the step's request has been read by then
        (signal.SIGTERM, IN_EVALUATION, 45),
        (signal.SIGTERM, IN_SCORING, 46),
    ],
    ids=["SIGTERM", "SIGINT", "in a save", "in an evaluation", "in an evaluation's scoring"],
)
def test_a_signal_stops_after_the_step_and_the_run_goes_on_as_if_it_had_not(
    stop: signal.Signals,
    moment: dict[str, Any],
    step: int,
    launcher: Launcher,
    arguments: list[str],
    killed_run: Path,
    assert_same: Callable[..., None],
) -> None:
    ended = launcher.run(*arguments, "--resume", send={"moment": moment, "numbers": [stop]})
    folder = killed_run / "checkpoints" / f"step_{step:06d}"
    assert ended.code == 128 + stop
    how = f"go on with qarank {' '.join(arguments)} --resume"
    assert ended.last_line == (
        f"qarank: stopped by {stop.name} after step {step} of 60; saved as {folder}; {how}"
    )
    run = json.loads((killed_run / "run.json").read_text())
    assert run["state"] == "stopped" and run["reason"].startswith("StoppedError: stopped by")
    assert (killed_run / "eval" / "step_000045").exists() == (step == 46)  # given up, none of it
    resumed = launcher.run(*arguments, "--resume")
    assert f"going on after step {step} of 60" in resumed.err
    assert_same(killed_run)


def test_a_signal_from_outside_at_whatever_time_stops_the_run_too(
    launcher: Launcher, arguments: list[str], killed_run: Path, assert_same: Callable[..., None]
) -> None:
    job = launcher.start(*arguments, "--resume")
    until = time.monotonic() + 30
    while "going on after" not in job.err:
        assert time.monotonic() < until, job.err
        time.sleep(0.005)
    job.send(signal.SIGTERM)
    ended = launcher.wait(job)
    assert ended.code == 143, ended.err
    assert launcher.run(*arguments, "--resume").code == 0
    assert_same(killed_run)


@pytest.mark.parametrize("stop", STOPS, ids=["SIGTERM", "SIGINT"])
def test_before_there_is_a_run_a_signal_leaves_at_once(
    stop: signal.Signals, launcher: Launcher, arguments: list[str], tmp_path: Path
) -> None:
    moment = {"scope": "preparing", "step": 0, "number": 10}
    ended = launcher.run(*arguments, send={"moment": moment, "numbers": [stop]})
    assert ended.code == 128 + stop
    assert ended.err.splitlines() == [f"qarank: stopped by {stop.name}"]
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_leaves_at_once_and_the_run_goes_on_from_its_last_checkpoint(
    launcher: Launcher, arguments: list[str], killed_run: Path, assert_same: Callable[..., None]
) -> None:
    twice = {"moment": IN_STEP, "numbers": [signal.SIGINT, signal.SIGTERM]}
    ended = launcher.run(*arguments, "--resume", send=twice)
    assert ended.code == 143
    assert "SIGINT: stopping after this step; once more leaves at once" in ended.err
    assert ended.last_line == "qarank: left at once by SIGTERM"
    resumed = launcher.run(*arguments, "--resume")
    assert "going on after step 36 of 60" in resumed.err
    assert_same(killed_run)


def test_sigusr1_saves_and_goes_on_and_its_checkpoint_is_gone_at_the_end(
    launcher: Launcher, arguments: list[str], killed_run: Path, assert_same: Callable[..., None]
) -> None:
    save = {"moment": IN_STEP, "numbers": [signal.SIGUSR1]}
    ended = launcher.run(*arguments, "--resume", send=save)
    assert ended.code == 0, ended.err
    assert_same(killed_run)


def test_a_run_killed_after_sigusr1_goes_on_from_what_it_saved(
    launcher: Launcher,
    arguments: list[str],
    killed_run: Path,
    tmp_path: Path,
    assert_same: Callable[..., None],
) -> None:
    save = {"moment": IN_STEP, "numbers": [signal.SIGUSR1]}
    kill = {"moment": {"scope": "step", "step": 41, "number": 1}, "note": str(tmp_path / "note")}
    ended = launcher.run(*arguments, "--resume", send=save, kill=kill)
    assert ended.code == -signal.SIGKILL, ended.err
    resumed = launcher.run(*arguments, "--resume")
    assert "going on after step 39 of 60" in resumed.err
    assert_same(killed_run)
