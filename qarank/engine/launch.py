"""Starts the processes of one machine by torchrun's own agent, and ends as they end."""

import logging
import os
import signal
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import FrameType

import psutil
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from qarank.engine.signals import SAVING
from qarank.errors import LostProcessError

MONITOR_S = 0.1  # between two looks at the workers
STOP_S = 300  # for workers to finish a step and save, before they are killed
LIFELINE = "QARANK_LIFELINE"  # as jobs/lifeline.py names it, which looks for it in each worker


def launch_processes(command: Sequence[str], *, nproc: int, max_restarts: int = 0) -> int:
    """Run `python -m qarank COMMAND` as nproc processes of one run.

    SIGINT and SIGTERM are handed on to all of them, and so is SIGUSR1. Where this process is killed
    they save and end by themselves.

    Args:
        command: of the qarank command line, without what asks for processes.
        nproc: processes on this machine.
        max_restarts: how often all are started anew when one is lost.

    Returns:
        The exit code to end with; a worker that ended by itself has said why.

    Raises:
        LostProcessError: a worker was killed.
    """
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=nproc,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=max_restarts,
        monitor_interval=MONITOR_S,
        shutdown_timeout=STOP_S,
    )
    _quiet_agent()
    os.environ |= thread_settings(os.environ, nproc=nproc, num_cores=os.cpu_count() or 1)
    _hold_workers()
    if SAVING is not None:
        signal.signal(SAVING, _hand_on)
    try:
        elastic_launch(config, sys.executable)("-m", "qarank", *command)
    except SignalException as stop:
        return 128 + int(stop.sigval)
    except ChildFailedError as error:
        return _judge({rank: failure.exitcode for rank, failure in error.failures.items()})
    return 0


def thread_settings(
    environment: Mapping[str, str], *, nproc: int, num_cores: int
) -> dict[str, str]:
    """The cores shared out, where the user has not said how many threads a process takes."""
    if "OMP_NUM_THREADS" in environment:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, num_cores // nproc))}


def _quiet_agent() -> None:
    """The agent's notes repeat what the workers say themselves; each of its loggers has a level."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed.elastic"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _hold_workers() -> None:
    """Make this process's standard input, which workers share, a pipe that closes with it.

    Each worker has a session of its own: no signal finds it once this process is gone.
    """
    reading, _ = os.pipe()  # the other end stays open here, and no worker has it
    os.dup2(reading, 0)
    os.set_inheritable(0, True)  # also where standard input was closed, and the pipe took its place
    os.environ[LIFELINE] = "1"


def _judge(exit_codes: Mapping[int, int]) -> int:
    """The exit code of a run some of whose processes failed; negative codes are signals.

    Where one was killed the others ended for want of it; SIGTERM is how the agent ends those left.
    """
    killed = [rank for rank, code in exit_codes.items() if code < 0 and code != -signal.SIGTERM]
    told = [code for code in exit_codes.values() if code > 0]
    if told and not killed:
        return told[0]
    global_rank = (killed or list(exit_codes))[0]
    name = signal.Signals(-exit_codes[global_rank]).name
    raise LostProcessError(f"process {global_rank} was ended by {name}")


def _hand_on(number: int, frame: FrameType | None) -> None:
    for worker in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it has just ended
            worker.send_signal(number)
