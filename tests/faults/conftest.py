"""Commands in processes of their own that may be killed, and what two runs are compared by."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
FOLDER = Path(__file__).parent
RECIPE: dict[str, Any] = {
    "name": "run",
    "seed": 1,
    "data": {
        "source": "sample:almanac",
        "max_train_examples": 63,  # the last batch of an epoch is smaller
        "max_eval_examples": 24,
        "max_seq_length": 160,
        "doc_stride": 32,
    },
    "adapter": {"type": "svd", "r": 4, "alpha": 16},
    "allocator": {"type": "adalora", "target_r": 2, "tinit": 14, "tfinal": 20, "delta_t": 3},
    "train": {
        "max_steps": 60,
        "batch_size": 8,
        "micro_batch_size": 4,
        "learning_rate": 0.02,
        "precision": "fp32",
        "save_every": 5,
        "log_every": 4,  # a checkpoint comes between two lines, too
    },
    "eval": {"every": 12, "batch_size": 8},
}


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, or minus the signal that killed it, and its streams."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.err.splitlines()[-1]


@dataclass
class Job:
    """A command that has been started."""

    pid: int
    folder: Path
    status: int | None = None

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    @property
    def err(self) -> str:
        return (self.folder / "stderr").read_text()


@dataclass
class Launcher:
    """Starts commands by the warm server; see warm_server.py."""

    folder: Path
    server: subprocess.Popen[bytes]
    jobs: dict[int, Job] = field(default_factory=dict)

    def start(self, *arguments: object, **faults: Mapping[str, Any]) -> Job:
        folder = self.folder / f"job_{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        streams = {name: str(folder / name) for name in ("stdout", "stderr")}
        for path in streams.values():
            Path(path).touch()
        request = {"arguments": [str(word) for word in arguments], "faults": faults, **streams}
        assert self.server.stdin is not None
        self.server.stdin.write(json.dumps(request).encode() + b"\n")
        pid = None
        while pid is None:
            pid = self.listen(30)
        self.jobs[pid] = Job(pid, folder)
        return self.jobs[pid]

    def wait(self, job: Job, timeout: float = 60) -> Ended:
        until = time.monotonic() + timeout
        while job.status is None:
            self.listen(until - time.monotonic())
        code = os.waitstatus_to_exitcode(job.status)
        return Ended(code, (job.folder / "stdout").read_text(), job.err)

    def run(self, *arguments: object, **faults: Mapping[str, Any]) -> Ended:
        return self.wait(self.start(*arguments, **faults))

    def listen(self, timeout: float) -> int | None:
        """Take the server's next line; the pid of a job that has just been started."""
        stdout = self.server.stdout
        assert stdout is not None
        ready, _, _ = select.select([stdout], [], [], max(0, timeout))
        assert ready, "the server says nothing"
        line = stdout.readline()
        assert line, "the server has ended"
        message = json.loads(line)
        if "status" in message:
            self.jobs.pop(message["pid"]).status = message["status"]
        elif "pid" in message:
            return int(message["pid"])
        return None

    def close(self) -> None:
        self.server.communicate(timeout=20)


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
    path = tmp_path_factory.mktemp("recipe") / "run.yaml"
    model = {"name_or_path": str(tiny_model_dir), "dropout": 0.1}
    path.write_text(yaml.safe_dump(RECIPE | {"model": model}))
    return path


@pytest.fixture
def arguments(recipe_file: Path, tmp_path: Path) -> list[str]:
    """Of a command that trains in a folder of this test's own, `run` in tmp_path."""
    return ["train", str(recipe_file), "--set", f"runs_dir={tmp_path}"]


@pytest.fixture(scope="session")
def _killed_run(
    launcher: Launcher, recipe_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Killed in step 36, while the budget falls: the checkpoints of steps 30 and 35."""
    runs_dir = tmp_path_factory.mktemp("killed")
    moment = {"scope": "step", "step": 36, "number": 1}
    ended = launcher.run(
        *("train", recipe_file, "--set", f"runs_dir={runs_dir}"),
        kill={"moment": moment, "note": str(runs_dir / "note")},
    )
    assert ended.code == -signal.SIGKILL, ended
    return runs_dir / "run"


@pytest.fixture
def killed_run(_killed_run: Path, tmp_path: Path) -> Path:
    """A copy of it, where `arguments` look for a run: most faults come after step 35."""
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


TIMES = ("seconds", "_s", "_per_s")  # so end the names of what is never the same twice
ONCE = ("run.json", "recipe.yaml", "manifest.json", ".lock")  # of their own, or of other files
BY_VALUE = ("metrics.jsonl", "state.json")


@pytest.fixture
def assert_same(reference: Path) -> Callable[..., None]:
    """Asserts that a run's folder is that of the run never stopped, or another, but for times."""

    def check(run_dir: Path, wanted: Path = reference) -> None:
        assert list_files(run_dir) == list_files(wanted)
        for name in list_files(wanted):
            assert read(run_dir / name) == read(wanted / name), name
        assert read_events(run_dir) == read_events(wanted)
        mine, other = (json.loads((each / "run.json").read_text()) for each in (run_dir, wanted))
        for key in ("state", "plan", "result"):
            assert without_times(mine[key]) == without_times(other[key]), key

    return check


def list_files(run_dir: Path) -> list[str]:
    """Hidden ones and empty folders too; TensorBoard's have names of their own."""
    entries = (path for path in run_dir.rglob("*") if "tfevents" not in path.name)
    return sorted(path.relative_to(run_dir).as_posix() for path in entries)


def read(path: Path) -> Any:
    """What must be the same: bytes, or values without times."""
    if path.is_dir() or path.name in ONCE:
        return None
    if path.name not in BY_VALUE:
        return path.read_bytes()
    text = path.read_text()
    documents = text.splitlines() if path.suffix == ".jsonl" else [text]
    return [without_times(json.loads(document)) for document in documents]


def without_times(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    kept = {key: value for key, value in document.items() if not key.endswith(TIMES)}
    return {key: without_times(value) for key, value in kept.items()}


def read_events(run_dir: Path) -> list[tuple[int, str, Any]]:
    """(step, tag, value) of every record, in order; settings are told at each start."""
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    found = []
    for path in sorted(run_dir.glob("tensorboard/*tfevents*")):
        for record in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(record)
            for value in event.summary.value:
                if not value.tag.endswith(TIMES) and "hparams" not in value.tag:
                    found.append((event.step, value.tag, value.image or value.simple_value))
    return found
