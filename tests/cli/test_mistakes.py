"""A table of mistakes: each is one line on stderr, exit code 2, and nothing half-written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import ByT5Tokenizer

from qarank.artifacts.run_dir import RunDir

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
    "missing run": (
        "eval {tmp}/absent",
        ["absent is not a run, an adapter or a model: no such folder"],
    ),
    "missing run to merge": ("merge {tmp}/absent {tmp}/out", ["absent is not a run"]),
    "missing run to inspect": ("inspect-ranks {tmp}/absent", ["absent is not a run"]),
    "no run but a folder": (
        "eval {tmp}/foreign",
        ["foreign is not a run, an adapter or a model: no run.json"],
    ),
    "damaged checkpoint": ("eval {damaged}", ["is damaged: adapter_model.safetensors differs"]),
    "damaged, to merge": ("merge {damaged} {tmp}/out", ["is damaged"]),
    "merge onto a folder": ("merge {run} {tmp}/foreign/tiny", ["holds something else"]),
}


def listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


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
