"""Starts commands that may be killed, and the runs they are tried on."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from qarank.squad.examples import Example
from qarank.squad.sample import almanac
from tests.faults.comparing import assert_same_run
from tests.faults.launching import Launcher

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
FOLDER = Path(__file__).parent
RECIPE: dict[str, Any] = {
    "name": "run",
    "seed": 1,
    "data": {"max_train_examples": 63, "max_seq_length": 160, "doc_stride": 32},
    "adapter": {"type": "svd", "r": 4, "alpha": 16},
    "allocator": {"type": "adalora", "target_r": 2, "tinit": 14, "tfinal": 20, "delta_t": 3},
    "train": {
        "max_steps": 60,
        "batch_size": 8,
        "micro_batch_size": 4,
        "learning_rate": 0.02,
        "precision": "fp32",
        "save_every": 6,
        "log_every": 4,  # a checkpoint comes between two lines, too
    },
    "eval": {"every": 15, "batch_size": 8},  # the best checkpoint is one saved out of turn
}


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """Starts commands in processes of their own, at no cost of importing."""
    server = subprocess.Popen(
        [sys.executable, FOLDER / "warm_server.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
        bufsize=0,  # what a buffer holds, select does not see
    )
    started = Launcher(tmp_path_factory.mktemp("jobs"), server)
    try:
        started.listen(60)
        yield started
    finally:
        started.close()


@pytest.fixture(scope="session")
def recipe_file(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dropout, grouping, accumulation 2; three phases of 14, 26 and 20 steps."""
    folder = tmp_path_factory.mktemp("recipe")
    parts = {split: folder / f"{split}.json" for split in ("train", "validation")}
    for (split, path), count in zip(parts.items(), (64, 24), strict=True):
        path.write_text(json.dumps(as_squad(almanac(split)[:count])))
    recipe = RECIPE | {
        "model": {"name_or_path": str(tiny_model_dir), "dropout": 0.1},
        "data": RECIPE["data"] | {split: str(path) for split, path in parts.items()},
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def as_squad(examples: list[Example]) -> dict[str, Any]:
    """SQuAD's JSON, a paragraph a question."""
    paragraphs = [
        {
            "context": example.context,
            "qas": [
                {
                    "id": example.id,
                    "question": example.question,
                    "is_impossible": example.is_impossible,
                    "answers": [
                        {"text": text, "answer_start": start}
                        for text, start in zip(example.answers, example.answer_starts, strict=True)
                    ],
                }
            ],
        }
        for example in examples
    ]
    return {"version": "v2.0", "data": [{"title": "almanac", "paragraphs": paragraphs}]}


@pytest.fixture
def arguments(recipe_file: Path, tmp_path: Path) -> list[str]:
    """Of a command that trains in a folder of this test's own, `run` in tmp_path."""
    return ["train", str(recipe_file), "--set", f"runs_dir={tmp_path}"]


@pytest.fixture(scope="session")
def _killed_run(
    launcher: Launcher, recipe_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Killed in step 38, while the budget falls: the checkpoints of steps 30 and 36."""
    runs_dir = tmp_path_factory.mktemp("killed")
    moment = {"scope": "step", "step": 38, "number": 1}
    ended = launcher.run(
        *("train", recipe_file, "--set", f"runs_dir={runs_dir}"),
        kill={"moment": moment, "note": str(runs_dir / "note")},
    )
    assert ended.code == -signal.SIGKILL, ended
    return runs_dir / "run"


@pytest.fixture
def killed_run(_killed_run: Path, tmp_path: Path) -> Path:
    """A copy of it, where `arguments` look for a run: most faults come after step 36."""
    return shutil.copytree(_killed_run, tmp_path / "run")


@pytest.fixture(scope="session")
def reference(recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that is never stopped, by `python -m qarank`."""
    runs_dir = tmp_path_factory.mktemp("reference")
    command = [sys.executable, "-m", "qarank", "train", str(recipe_file)]
    done = subprocess.run(
        [*command, "--set", f"runs_dir={runs_dir}"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return runs_dir / "run"


@pytest.fixture
def assert_same(reference: Path) -> Callable[..., None]:
    """Asserts that a run's folder is that of the run never stopped, or another, but for times."""
    return lambda run_dir, wanted=reference: assert_same_run(run_dir, wanted)
