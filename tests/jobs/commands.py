"""Little commands that stand for runs, and the jobs that run them."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qarank.jobs.job import Job, JobEnd, Watch

# Runs until it is stopped, saves, and is done when it is started again.
SAVING = """
import os, signal, sys, time
from pathlib import Path
from qarank.jobs.lifeline import hold_lifeline

folder = Path(sys.argv[1])
saved = folder / "saved"

def stop(number, frame):
    saved.write_text(f"{os.getpid()}")
    print("saved", flush=True)
    sys.exit(128 + number)

signal.signal(signal.SIGTERM, stop)
hold_lifeline(lambda: sys.stdin.buffer)
with (folder / "starts").open("a") as starts:
    starts.write(f"{os.getpid()} {os.environ.get('RAY_RAYLET_PID', '-')}\\n")
if saved.exists():
    print("went on from what was saved")
else:
    time.sleep(120)
    sys.exit("nobody stopped it")
"""


def python_job(name: str, code: str, folder: Path, **settings: Any) -> Job:
    """A job that runs Python code, its folder being the first argument."""
    command = [sys.executable, "-c", code, str(folder)]
    return Job(name, command, directory=folder, log=folder / f"{name}.log", **settings)


def saving_job(name: str, folder: Path, **settings: Any) -> Job:
    """A job of SAVING in a folder of its own."""
    own = folder / name
    own.mkdir()
    return python_job(name, SAVING, own, **settings)


def read_starts(job: Job) -> list[list[str]]:
    """Of each start of a saving job its process and its node's, as text."""
    path = job.directory / "starts"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def wait_until(is_true: Callable[[], object], what: str, *, timeout_s: float = 60.0) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < end, f"waited {timeout_s} s for: {what}"
        time.sleep(0.05)


@dataclass
class Record:
    """Notes what an executor tells, and may answer."""

    should_stop: Callable[[], bool] = lambda: False
    on_tick: Callable[[], None] = lambda: None
    told: list[str] = field(default_factory=list)
    ends: dict[str, JobEnd] = field(default_factory=dict)

    @property
    def watch(self) -> Watch:
        return Watch(
            started=lambda name: self.told.append(f"{name} started"),
            ended=self._note_end,
            tick=lambda: self.on_tick(),
            is_stopping=lambda: self.should_stop(),
        )

    @property
    def exit_codes(self) -> dict[str, int]:
        return {name: end.exit_code for name, end in self.ends.items()}

    def _note_end(self, name: str, end: JobEnd) -> None:
        assert name not in self.ends, f"{name} ended twice"
        self.told.append(f"{name} ended")
        self.ends[name] = end


def most_at_a_time(told: Sequence[str]) -> int:
    """How many jobs ran at once at the most."""
    running, most = 0, 0
    for each in told:
        running += 1 if each.endswith("started") else -1
        most = max(most, running)
    return most
