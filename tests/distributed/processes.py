"""Runs a function on several processes, set up as torchrun does, and brings back what came of it.

Each process is forked from a server that has imported the libraries once, and nothing else: it
starts in a moment, and holds none of the tests' threads, locks or patches.
"""

import multiprocessing
import os
import pickle
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from qarank.engine.distributed import Processes
from qarank.engine.environment import read_world
from qarank.engine.joining import join_processes

IMPORTED = [
    "tests.distributed.processes",
    "qarank.workflows.train",
    "transformers.models.bert.modeling_bert",  # two seconds
]
TIMEOUT_S = 120.0
POLL_S = 0.02
SERVER = multiprocessing.get_context("forkserver")
# One thread a process: results are bit-equal for one number of threads only.
THREADS = {"OMP_NUM_THREADS": "1", "KMP_BLOCKTIME": "0"}


@dataclass(frozen=True)
class Ended:
    """How a process ended: what its function gave or raised, its exit code, its two streams."""

    value: Any
    error: BaseException | None
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Group:
    """Processes that run, by global rank."""

    folder: Path
    workers: list[BaseProcess]

    def signal(self, global_rank: int, number: int) -> None:
        """Send a signal to one of them."""
        os.kill(self.workers[global_rank].pid or 0, number)

    def wait_until(self, is_so: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
        """Wait for something that they do."""
        deadline = time.monotonic() + timeout_s
        while not is_so():
            assert any(worker.is_alive() for worker in self.workers), self._read_streams()
            assert time.monotonic() < deadline, self._read_streams()
            time.sleep(POLL_S)

    def join(self, timeout_s: float = TIMEOUT_S) -> list[Ended]:
        """Wait for all of them."""
        deadline = time.monotonic() + timeout_s
        for worker in self.workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        late = [rank for rank, worker in enumerate(self.workers) if worker.is_alive()]
        assert not late, f"{late} still run after {timeout_s} s: {self._read_streams()}"
        return [self._read(rank, worker) for rank, worker in enumerate(self.workers)]

    def _read(self, rank: int, worker: BaseProcess) -> Ended:
        path = self.folder / f"{rank}.pickle"
        value, error = pickle.loads(path.read_bytes()) if path.exists() else (None, None)
        out, err = ((self.folder / f"{rank}.{name}").read_text() for name in ("out", "err"))
        assert worker.exitcode is not None
        return Ended(value, error, worker.exitcode, out, err)

    def _read_streams(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.err")))


@contextmanager
def start(
    function: Callable[..., Any],
    *args: Any,
    world_size: int = 2,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Group]:
    """Start processes that call `function(*args)`; whatever happens, they are gone afterwards.

    Args:
        function: at the top of a module.
        args: can be pickled.
        world_size: one process is alone, without a launcher.
        environment: more variables.
    """
    SERVER.set_forkserver_preload(IMPORTED)
    with patch.dict(os.environ, THREADS):
        forkserver.ensure_running()
    shared = {**os.environ, **THREADS, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workers: list[BaseProcess] = []
        for rank in range(world_size):
            own = {**shared, **_place(rank, world_size), **(environment or {})}
            workers.append(SERVER.Process(target=_work, args=(folder, rank, own, function, args)))
        try:
            for worker in workers:
                worker.start()
            yield Group(folder, workers)
        finally:
            for worker in workers:
                worker.kill()
                worker.join()


def run(function: Callable[..., Any], *args: Any, **how: Any) -> list[Ended]:
    """Start processes and wait for them; `how` as in `start`."""
    with start(function, *args, **how) as group:
        return group.join()


def run_joined(function: Callable[..., Any], *args: Any, **how: Any) -> list[Any]:
    """What `function(processes, *args)` gives on each process of a joined group."""
    ended = run(call_joined, function, *args, **how)
    assert [(e.code, e.error) for e in ended] == [(0, None)] * len(ended), ended
    return [e.value for e in ended]


def call_joined(function: Callable[..., Any], *args: Any) -> Any:
    """Join the group and call `function(processes, *args)`."""
    with join_processes(read_world(os.environ), torch.device("cpu")) as processes:
        return function(processes, *args)


def stay(processes: Processes) -> None:
    """Return only when all processes are here."""
    processes.gather(None)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _place(rank: int, world_size: int) -> dict[str, str]:
    if world_size == 1:
        return {}
    names = {"RANK": rank, "LOCAL_RANK": rank}
    sizes = {"WORLD_SIZE": world_size, "LOCAL_WORLD_SIZE": world_size}
    return {name: str(number) for name, number in (names | sizes).items()}


def _work(
    folder: Path,
    rank: int,
    environment: Mapping[str, str],
    function: Callable[..., Any],
    args: tuple[Any, ...],
) -> None:
    """In the new process: call, and leave value or error as a file."""
    for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
        with (folder / f"{rank}.{name}").open("w") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    outcome: tuple[Any, BaseException | None]
    try:
        outcome = function(*args), None
    except Exception as error:
        traceback.print_exc()
        outcome = None, error
    (folder / f"{rank}.pickle").write_bytes(pickle.dumps(outcome))
    sys.exit(0 if outcome[1] is None else 1)
