"""Commands as users start them, with all the processes they start; none of them is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.distributed.processes import POLL_S, THREADS, Ended

TIMEOUT_S = 150.0


@dataclass(frozen=True)
class Job:
    """A command that runs."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def workers(self) -> list[psutil.Process]:
        """The processes of the run that a launcher has started."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if _is_worker(child)]

    def worker(self, rank: int) -> psutil.Process:
        """One of them."""
        (found,) = [one for one in self.workers() if one.environ()["RANK"] == str(rank)]
        return found

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something that it does."""
        deadline = time.monotonic() + TIMEOUT_S
        while not is_so():
            assert self.process.poll() is None, self.err.read_text()
            assert time.monotonic() < deadline, self.err.read_text()
            time.sleep(POLL_S)

    def finish(self) -> Ended:
        """Wait for its end."""
        code = self.process.wait(TIMEOUT_S)
        return Ended(None, None, code, self.out.read_text(), self.err.read_text())


@contextmanager
def launch(folder: Path, *words: object) -> Iterator[Job]:
    """Run `python -m WORDS`, its streams as files in a new folder."""
    number = len(list(folder.glob("streams_*")))
    streams = folder / f"streams_{number}"
    streams.mkdir()
    out, err = streams / "out", streams / "err"
    with out.open("wb") as to_out, err.open("wb") as to_err:
        process = subprocess.Popen(
            [sys.executable, "-m", *map(str, words)],
            stdout=to_out,
            stderr=to_err,
            env={**os.environ, **THREADS},
            start_new_session=True,
        )
    try:
        yield Job(process, out, err)
    finally:
        _end_all(process)


def torchrun(*options: object) -> list[str]:
    """The words before qarank's own: torchrun, on one machine unless the options say otherwise."""
    return ["torch.distributed.run", *map(str, options), "-m", "qarank"]


def _is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.Error):  # it may have ended by now
        return "RANK" in process.environ()
    return False


def _end_all(process: subprocess.Popen[bytes]) -> None:
    """Workers have sessions of their own: they are found as children, while there is a parent."""
    own = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    for child in own:
        child.kill()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
