import json
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from qarank.artifacts.checkpoint import verify_checkpoint
from qarank.squad.sample import almanac
from tests.faults.launching import Launcher

STEP = 39  # a round is due after it


def saved_steps(run_dir: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("step_")) for path in run_dir.glob("checkpoints/*"))


def named_examples(line: str) -> list[str]:
    """What a message's list of examples names."""
    listed = re.search(r"examples of its batch: (.*?)(?:;|$)", line)
    assert listed, line
    return listed[1].split(", ")


def test_a_nan_loss_stops_with_step_and_examples_and_a_checkpoint_of_the_step_before(
    launcher: Launcher, arguments: list[str], killed_run: Path, assert_same: Callable[..., None]
) -> None:
    ended = launcher.run(*arguments, "--resume", nan_loss={"step": STEP})
    assert ended.code == 3
    assert ended.last_line.startswith(f"qarank: step {STEP}: the loss is nan; training stopped; ")
    assert ended.last_line.endswith(f"; go on with qarank {' '.join(arguments)} --resume")
    assert "Traceback" not in ended.err
    ids = named_examples(ended.last_line)
    assert 1 <= len(ids) <= 8 and set(ids) <= {example.id for example in almanac("train")}
    verify_checkpoint(killed_run / "checkpoints" / f"step_{STEP - 1:06d}")
    resumed = launcher.run(*arguments, "--resume")
    assert f"going on after step {STEP - 1} of 60" in resumed.err
    assert_same(killed_run)


def test_weights_that_are_nan_are_not_saved_and_the_run_goes_on_from_those_before(
    launcher: Launcher, arguments: list[str], killed_run: Path, assert_same: Callable[..., None]
) -> None:
    ended = launcher.run(*arguments, "--resume", nan_weight={"step": STEP})
    assert ended.code == 3
    assert ended.last_line.startswith(f"qarank: step {STEP}: the loss is nan; training stopped; ")
    assert saved_steps(killed_run) == [30, 36]
    resumed = launcher.run(*arguments, "--resume")
    assert "going on after step 36 of 60" in resumed.err
    assert_same(killed_run)


def test_infinite_logits_in_an_evaluation_stop_with_step_and_examples(
    launcher: Launcher, arguments: list[str], killed_run: Path, assert_same: Callable[..., None]
) -> None:
    ended = launcher.run(*arguments, "--resume", infinite_logits={"step": 45})
    assert ended.code == 3
    assert ended.last_line.startswith("qarank: step 45, evaluation: ")
    assert "Traceback" not in ended.err
    ids = named_examples(ended.last_line)
    assert set(ids) <= {example.id for example in almanac("validation")}
    assert not (killed_run / "eval" / "step_000045").exists()
    resumed = launcher.run(*arguments, "--resume")
    assert resumed.code == 0, resumed.err
    assert_same(killed_run)


@pytest.mark.parametrize("killed_in", [40, 43], ids=["before", "after"])
def test_a_skipped_step_is_counted_and_a_run_resumed_before_or_after_it_is_the_same(
    killed_in: int,
    launcher: Launcher,
    arguments: list[str],
    killed_run: Path,
    skipping_run: Path,
    tmp_path: Path,
    assert_same: Callable[..., None],
) -> None:
    skip = {"step": STEP}
    moment = {"scope": "step", "step": killed_in, "number": 1}
    kill = {"moment": moment, "note": str(tmp_path / "note")}
    killed = launcher.run(*arguments, "--resume", infinite_gradient=skip, kill=kill)
    assert killed.code == -signal.SIGKILL, killed.err
    resumed = launcher.run(*arguments, "--resume", infinite_gradient=skip)
    assert resumed.code == 0, resumed.err
    assert_same(killed_run, skipping_run)


def test_a_skipped_step_changes_no_weight_and_the_run_goes_on(skipping_run: Path) -> None:
    run = json.loads((skipping_run / "run.json").read_text())
    assert run["result"]["num_skipped"] == 1
    lines = [json.loads(line) for line in (skipping_run / "metrics.jsonl").read_text().splitlines()]
    skipped = {
        line["global_step"]: line["train/skipped_steps"] for line in lines if "train/loss" in line
    }
    assert skipped == {step: float(step >= STEP) for step in range(4, 61, 4)}
    rounds = (skipping_run / "ranks.jsonl").read_text().splitlines()
    assert STEP in [json.loads(line)["global_step"] for line in rounds]  # by the old averages


@pytest.fixture(scope="module")
def skipping_run(
    launcher: Launcher, recipe_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run whose gradient overflows in one step, never stopped."""
    runs_dir = tmp_path_factory.mktemp("skipping")
    words = ("train", recipe_file, "--set", f"runs_dir={runs_dir}")
    ended = launcher.run(*words, infinite_gradient={"step": STEP})
    assert ended.code == 0, ended.err
    return runs_dir / "run"
