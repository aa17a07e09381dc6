"""The command line as a whole: help, speed, and a table of mistakes, each one line."""

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import ByT5Tokenizer

from qarank import __version__
from qarank.artifacts.run_dir import RunDir

COMMANDS = ("prepare", "train", "eval", "predict", "sweep", "inspect-ranks", "merge")
IN_A_NEW_PROCESS = """
import sys
from qarank.cli.app import main
sys.argv = ["qarank", *sys.argv[1:]]
try:
    main()
finally:
    print([name for name in ("torch", "transformers") if name in sys.modules], file=sys.stderr)
"""


def run_alone(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a new process; the last line on stderr lists the heavy libraries it loaded."""
    command = [sys.executable, "-c", IN_A_NEW_PROCESS, *map(str, arguments)]
    environ = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=120)


def listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


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


def test_help_loads_no_torch() -> None:
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
    assert loaded == "[]"


def test_a_hub_name_out_of_reach_is_told_before_torch_loads(
    recipe_file: Callable[..., Path], tmp_path: Path
) -> None:
    name = "model.name_or_path=somebody/some-model"
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hub")}
    done = run_alone("train", recipe_file(), "--set", name, **nowhere)
    assert done.returncode == 2
    message, loaded = done.stderr.splitlines()
    assert "set HF_HOME to a cache that holds it" in message
    assert loaded == "[]"


# What a user typed -> words the one line must hold. {names} stand for what `stage` lays out.
TRAIN = "train {recipe} --set "
DATA = "data={{{{train:\\ {},\\ max_seq_length:\\ 96,\\ doc_stride:\\ 16}}}}"
MISTAKES = {
    "misspelt key": (TRAIN + "train.learnig_rate=0.1", ["train.learnig_rate", "learning_rate"]),
    "1e-3 as text": (TRAIN + "train.learning_rate=1e-3", ["learning_rate", "1e-3"]),
    "no such recipe": ("train {tmp}/absent.yaml", ["absent.yaml: no such recipe file"]),
    "not SQuAD": (TRAIN + DATA.format("{not_squad}"), ["not_squad.json", "not SQuAD"]),
    "answers not in context": (TRAIN + DATA.format("{mismatch}"), ["qas[0]", "answers[0]"]),
    "no such data": (TRAIN + DATA.format("{tmp}/no.json"), ["no.json does not exist"]),
    "targets match nothing": (TRAIN + "adapter.target_modules=[q_lin]", ["'q_lin'", "query"]),
    "schedule does not fit": (
        TRAIN + "allocator.tinit=9",
        ["tinit 9 + allocator.tfinal 4", "12 in all", "fit any run"],
    ),
    "folder of somebody else": (
        TRAIN + "runs_dir={tmp}/foreign",
        ["foreign/tiny holds files of somebody else (letter.txt)"],
    ),
    "finished run": (
        TRAIN + "runs_dir={run}/..",
        ["holds a finished run; --overwrite replaces it"],
    ),
    "slow tokenizer": (TRAIN + "model.name_or_path={slow}", ["slow tokenizer", "tokenizer.json"]),
    "no such folder": (TRAIN + "model.name_or_path={tmp}/no", ["there is no folder"]),
    "no such package": (TRAIN + "model.name_or_path=package:nope/model", ["not installed"]),
    "fp16 on a CPU": (TRAIN + "train.precision=fp16", ["fp16, which needs a GPU"]),
    "a sweep to train": ("train {sweep}", ["qarank sweep", "--set sweep=null"]),
    "one run to sweep": ("sweep {recipe}", ["no sweep to expand"]),
    "nothing to evaluate": ("eval", ["a RUN, or --predictions with --data"]),
    "run and predictions": ("eval {run} --predictions {not_squad}", ["either a RUN"]),
    "predictions without data": ("eval --predictions {not_squad}", ["--predictions needs --data"]),
    "na-prob with a run": ("eval {run} --na-prob {not_squad}", ["--na-prob goes with"]),
    "unknown precision": ("eval {run} --precision fp8", ["fp8", "fp32", "bf16"]),
    "predictions not there": (
        "eval --predictions {tmp}/no.json --data {mismatch}",
        ["answers[0]"],
    ),
    "missing run": ("eval {tmp}/absent", ["absent is not a run: no such folder"]),
    "missing run to merge": ("merge {tmp}/absent {tmp}/out", ["absent is not a run"]),
    "missing run to inspect": ("inspect-ranks {tmp}/absent", ["absent is not a run"]),
    "no run but a folder": ("eval {tmp}/foreign", ["foreign is not a run: no run.json in it"]),
    "damaged checkpoint": ("eval {damaged}", ["is damaged: adapter_model.safetensors differs"]),
    "damaged, to merge": ("merge {damaged} {tmp}/out", ["is damaged"]),
    "merge onto a folder": ("merge {run} {tmp}/foreign/tiny", ["holds something else"]),
}


@pytest.fixture
def stage(
    trained_run: Path,
    tiny_model_dir: Path,
    recipe_file: Callable[..., Path],
    tmp_path: Path,
) -> dict[str, Path]:
    """Lays out all that the mistakes need; name -> path."""
    sweep = {"points": [{"adapter.r": 2}, {"adapter.r": 4}]}
    sweep_file = recipe_file(sweep=sweep).rename(tmp_path / "sweep.yaml")
    not_squad = tmp_path / "not_squad.json"
    not_squad.write_text('{"hello": "world"}')
    question = {"id": "a", "question": "Who?", "answers": [{"text": "bee", "answer_start": 0}]}
    paragraph = {"context": "The ant.", "qas": [question]}
    mismatch = tmp_path / "mismatch.json"
    mismatch.write_text(json.dumps({"data": [{"title": "t", "paragraphs": [paragraph]}]}))
    foreign = tmp_path / "foreign" / "tiny"
    foreign.mkdir(parents=True)
    (foreign / "letter.txt").write_text("mine")
    slow = tmp_path / "slow"
    ByT5Tokenizer().save_pretrained(slow)
    shutil.copy(tiny_model_dir / "config.json", slow)
    damaged = tmp_path / "damaged"
    shutil.copytree(trained_run, damaged)
    best = RunDir(damaged).read_run()["result"]["best_checkpoint"]
    with (damaged / "checkpoints" / best / "adapter_model.safetensors").open("ab") as file:
        file.write(b"x")
    return {
        "tmp": tmp_path,
        "recipe": recipe_file(),
        "run": trained_run,
        "sweep": sweep_file,
        "not_squad": not_squad,
        "mismatch": mismatch,
        "slow": slow,
        "damaged": damaged,
    }


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing_behind(
    mistake: str, stage: dict[str, Path], run_cli: Callable[..., Any]
) -> None:
    typed, words = MISTAKES[mistake]
    arguments = [
        word.replace("\0", " ").format(**stage) for word in typed.replace("\\ ", "\0").split()
    ]
    before, run_before = listing(stage["tmp"]), listing(stage["run"])
    done = run_cli(*arguments)
    assert done.code == 2
    assert done.out == ""
    lines = done.err.splitlines()
    assert len(lines) == 1, done.err
    assert lines[0].startswith("qarank: ")
    for word in words:
        assert word in lines[0]
    assert listing(stage["tmp"]) == before
    assert listing(stage["run"]) == run_before


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
    assert time.perf_counter() - started < 3.5
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
def test_a_signal_ends_with_128_and_its_number(
    number: int,
    name: str,
    recipe_file: Callable[..., Path],
    run_cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "qarank.engine.loop.Trainer.train_step", lambda *_: os.kill(os.getpid(), number)
    )
    recipe = recipe_file()
    done = run_cli("train", recipe, "-q")
    assert done.code == 128 + number
    assert done.err.splitlines()[-1] == f"qarank: stopped by {name}"
    assert RunDir(recipe.parent / "runs/tiny").read_run()["state"] == "failed"
