"""train's options that go on with a run, or start processes."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.artifacts.run_dir import RunDir
from qarank.cli.train import _resume_command, _without_launch_options
from qarank.engine.environment import World

Run = Callable[..., Any]
Write = Callable[..., Path]
SHORT = {"max_steps": 6, "batch_size": 8, "precision": "fp32", "save_every": 2}
NO_ALLOCATOR = {"type": "none"}


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torchrun starts the only process of a run."""
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "1")
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What processes would have been started, in place of starting them; they end with 5."""
    asked: list[Any] = []

    def note(command: list[str], **more: int) -> int:
        asked.append((command, more))
        return 5

    monkeypatch.setattr("qarank.engine.launch.launch_processes", note)
    return asked


def test_going_on_and_replacing_exclude_each_other(
    run_cli: Run, recipe_file: Write, tmp_path: Path
) -> None:
    done = run_cli("train", recipe_file(), "--resume", "--overwrite")
    assert done.code == 2
    assert done.err.splitlines() == [
        "qarank: --resume goes on with a run, --overwrite replaces it: give one of them"
    ]
    assert not (tmp_path / "runs").exists()


def test_a_launcher_is_not_started_by_a_launcher(
    run_cli: Run, recipe_file: Write, launched: None, launches: list[Any]
) -> None:
    done = run_cli("train", recipe_file(), "--nproc", "2")
    assert (done.code, launches) == (2, [])
    assert done.err == (
        "qarank: --nproc starts torchrun, which has started this process: leave it out\n"
    )


def test_restarts_without_a_launcher_are_refused(
    run_cli: Run, recipe_file: Write, tmp_path: Path
) -> None:
    done = run_cli("train", recipe_file(), "--max-restarts", "2")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("qarank: --max-restarts goes with --nproc")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("options", "more"),
    [
        (["--nproc", "2"], {"nproc": 2, "max_restarts": 0}),
        (["--nproc=3", "--max-restarts=1"], {"nproc": 3, "max_restarts": 1}),
        (["--nproc", "1", "--max-restarts", "4"], {"nproc": 1, "max_restarts": 4}),
    ],
)
def test_processes_get_the_command_and_their_exit_code_is_ours(
    options: list[str],
    more: dict[str, int],
    run_cli: Run,
    recipe_file: Write,
    launches: list[Any],
) -> None:
    recipe = recipe_file()
    done = run_cli("train", recipe, *options, "-q", "--set", "seed=3")
    assert launches == [(["train", str(recipe), "-q", "--set", "seed=3"], more)]
    assert done.code == 5


def test_one_process_needs_no_launcher(
    run_cli: Run, recipe_file: Write, launches: list[Any]
) -> None:
    recipe = recipe_file(train=SHORT, allocator=NO_ALLOCATOR)
    assert run_cli("train", recipe, "--nproc", "1", "-q").code == 0
    assert launches == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("train r.yaml --nproc 2 --resume", "train r.yaml --resume"),
        ("train --nproc=2 r.yaml --max-restarts=3", "train r.yaml"),
        ("train --max-restarts 3 r.yaml --nproc 16", "train r.yaml"),
        ("train r.yaml --set seed=2 --json", "train r.yaml --set seed=2 --json"),
        ("train r.yaml --set=name=--nproc -q", "train r.yaml --set=name=--nproc -q"),
    ],
)
def test_what_asks_for_processes_is_not_handed_on(given: str, kept: str) -> None:
    assert _without_launch_options(given.split()) == kept.split()


@pytest.mark.parametrize(
    ("overrides", "world", "command"),
    [
        ([], World(), "qarank train r.yaml --resume"),
        (
            ["seed=3", "model.name_or_path=a b"],
            World(),
            "qarank train r.yaml --set seed=3 --set 'model.name_or_path=a b' --resume",
        ),
        ([], World(1, 1, 2, 2), "qarank train r.yaml --nproc 2 --resume"),
        (
            [],
            World(0, 0, 4, 2),
            "the same launch on each machine, and --resume: qarank train r.yaml --resume",
        ),
    ],
)
def test_how_to_go_on_can_be_pasted_into_a_shell(
    overrides: list[str], world: World, command: str
) -> None:
    assert _resume_command(Path("r.yaml"), overrides, world) == command


def stop_in_step(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM as the loop reaches the step."""
    from qarank.squad.step_data import TrainBatches

    rows_at = TrainBatches.rows_at

    def stop(self: TrainBatches, global_step: int) -> Any:
        if global_step == step and not stopped:
            stopped.append(step)
            os.kill(os.getpid(), signal.SIGTERM)
        return rows_at(self, global_step)

    stopped: list[int] = []
    monkeypatch.setattr("qarank.workflows.session.TrainingSession.estimate", lambda _: {})
    monkeypatch.setattr(TrainBatches, "rows_at", stop)


def test_a_run_stopped_by_a_signal_says_how_to_go_on_and_does(
    run_cli: Run, recipe_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_file(train=SHORT, allocator=NO_ALLOCATOR)
    stop_in_step(3, monkeypatch)
    stopped = run_cli("train", recipe, "-q")
    folder = recipe.parent / "runs/tiny"
    assert stopped.code == 128 + signal.SIGTERM
    assert stopped.err.splitlines() == [
        f"qarank: stopped by SIGTERM after step 3 of 6; saved as {folder}/checkpoints/step_000003; "
        f"go on with qarank train {recipe} --resume"
    ]
    assert RunDir(folder).read_run()["state"] == "stopped"
    refused = run_cli("train", recipe, "-q")
    assert refused.code == 2
    assert "holds an unfinished run; --resume goes on with it" in refused.err
    again = run_cli("train", recipe, "-q", "--resume")
    assert (again.code, again.err) == (0, "")
    assert "step_000006" in again.out
