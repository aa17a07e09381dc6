"""The command line as a whole: help, speed, exit codes."""

import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank import __version__
from qarank.errors import QarankError, RecipeError, RunError

COMMANDS = ("prepare", "train", "eval", "predict", "sweep", "recipe", "inspect-ranks", "merge")
IN_A_NEW_PROCESS = """
import sys
from qarank.cli.app import main
sys.argv = ["qarank", *sys.argv[1:]]
try:
    main()
finally:
    heavy = ("torch", "transformers", "numpy", "pyarrow")
    print([name for name in heavy if name in sys.modules], file=sys.stderr)
"""


def run_alone(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a new process; the last line on stderr lists the heavy libraries it loaded."""
    command = [sys.executable, "-c", IN_A_NEW_PROCESS, *map(str, arguments)]
    environ = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=120)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, run_cli: Callable[..., Any]) -> None:
    done = run_cli(command, "--help")
    assert done.code == 0
    assert "Usage:" in done.out
    assert "Example" in done.out


def test_help_lists_every_command(run_cli: Callable[..., Any]) -> None:
    out = run_cli("--help").out
    assert all(command in out for command in COMMANDS)


def test_the_version_is_printed(run_cli: Callable[..., Any]) -> None:
    assert run_cli("--version").out == f"qarank {__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    done = run_alone("train", "--help")
    assert done.stderr.splitlines()[-1] == "[]"


def test_help_takes_less_than_four_tenths_of_a_second() -> None:
    """In processor time, the best of three, so that a busy machine does not count."""

    def measure() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "qarank", "--help"]
        subprocess.run(command, capture_output=True, check=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    assert min(measure() for _ in range(3)) < 0.4


def test_a_wrong_recipe_is_told_before_torch_loads(recipe_file: Callable[..., Path]) -> None:
    done = run_alone("train", recipe_file(), "--set", "train.learnig_rate=0.1")
    assert done.returncode == 2
    message, loaded = done.stderr.splitlines()
    assert message.startswith("qarank: ")
    assert "torch" not in loaded and "transformers" not in loaded


def test_a_hub_name_out_of_reach_is_told_before_torch_loads(
    recipe_file: Callable[..., Path], tmp_path: Path
) -> None:
    name = "model.name_or_path=somebody/some-model"
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hub")}
    done = run_alone("train", recipe_file(), "--set", name, **nowhere)
    assert done.returncode == 2
    message, loaded = done.stderr.splitlines()
    assert "set HF_HOME to a cache that holds it" in message
    assert "torch" not in loaded and "transformers" not in loaded


def test_a_hub_name_that_nobody_answers_for_is_refused_within_seconds(
    recipe_file: Callable[..., Path],
    run_cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    over = threading.Event()

    def hang(*_: object) -> None:
        over.wait(30)
        raise OSError("nobody answered")

    monkeypatch.setattr(socket, "create_connection", hang)
    started = time.perf_counter()
    done = run_cli("train", recipe_file(), "--set", "model.name_or_path=somebody/some-model")
    assert time.perf_counter() - started < 10  # 2 s of waiting and a busy machine; the hub hangs 30
    over.set()
    assert done.code == 2
    assert "the hub cannot be reached" in done.err
    assert "downloaded folder, package:MODULE/FOLDER, or set HF_HOME" in done.err
    assert not (tmp_path / "runs").exists()


def test_a_run_that_could_not_go_on_exits_with_3(
    recipe_file: Callable[..., Path], run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qarank.ranks.schedule.BudgetSchedule.is_round", lambda *_: False)
    done = run_cli("train", recipe_file(), "-q")
    assert done.code == 3
    assert done.err.splitlines()[-1].startswith("qarank: an allocator was asked for, but no round")


def test_our_own_mistakes_are_not_hidden(
    recipe_file: Callable[..., Path], run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("qarank.workflows.prepare.load_config", fail)
    with pytest.raises(ZeroDivisionError):
        run_cli("prepare", recipe_file())


@pytest.mark.parametrize(("number", "name"), [(2, "SIGINT"), (15, "SIGTERM")])
def test_a_signal_before_training_ends_at_once_with_128_and_its_number(
    number: int,
    name: str,
    recipe_file: Callable[..., Path],
    run_cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "qarank.workflows.train.prepare_run", lambda *_, **__: os.kill(os.getpid(), number)
    )
    recipe = recipe_file()
    done = run_cli("train", recipe, "-q")
    assert done.code == 128 + number
    assert done.err.splitlines()[-1] == f"qarank: stopped by {name}"
    assert not (recipe.parent / "runs").exists()


@pytest.fixture
def ends_with(run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a process of some rank, of two a machine, says of an error that ends it."""

    def end(error: QarankError, rank: int) -> str:
        def fail() -> None:
            raise error

        monkeypatch.setattr("qarank.cli.app.app", fail)
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("LOCAL_RANK", str(rank % 2))
        done = run_cli("train")
        assert done.code == error.exit_code
        return str(done.err)

    return end


def marked(error: QarankError, **marks: Any) -> QarankError:
    for name, value in marks.items():
        setattr(error, name, value)
    return error


def test_how_to_go_on_is_said_after_what_happened(ends_with: Callable[..., str]) -> None:
    assert ends_with(RunError("the disk is full"), 0) == "qarank: the disk is full\n"
    hinted = marked(RunError("the disk is full"), hint="go on with --resume")
    assert ends_with(hinted, 0) == "qarank: the disk is full; go on with --resume\n"


@pytest.mark.parametrize(
    ("error", "ranks"),
    [
        (RunError("of all"), {0, 2}),
        (marked(RunError("of all, found by another"), is_told=True), {0}),
        (marked(RunError("of one alone"), is_own=True), {0, 1, 2, 3}),
        (RecipeError("of a machine"), {0, 2}),
        (marked(RecipeError("told by another"), is_told=True), {0}),
    ],
    ids=str,
)
def test_of_several_processes_one_speaks_unless_it_befell_another_alone(
    error: QarankError, ranks: set[int], ends_with: Callable[..., str]
) -> None:
    assert {rank for rank in range(4) if ends_with(error, rank)} == ranks
