"""A job on a node of a Ray cluster: the same child process as anywhere, held by a Ray actor."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from qarank.jobs.child import Child
from qarank.jobs.job import NOT_STARTED, Job, JobEnd

POLL_S = 0.2  # between two looks at the process


class JobOnNode:
    """What Ray runs as an actor, in a worker process of its own.

    Several threads: one waits for the end while another may stop the job. Where the worker ends,
    whatever the reason, the lifeline of its child breaks, and the child saves and ends.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._node = os.getppid()  # the process that Ray calls the node's raylet
        self._child: Child | None = None

    def start(self) -> JobEnd | None:
        """Start the process; how it ended if it cannot be started, else None."""
        try:
            with no_signals_blocked():
                self._child = Child(self.job)
        except OSError as error:
            return JobEnd(NOT_STARTED, f"it cannot be started on {socket.gethostname()}: {error}")
        return None

    def wait(self) -> JobEnd:
        """How the process that was started has ended, once it has."""
        assert self._child is not None  # start() is called first
        while (end := self._child.end) is None:
            self._leave_if_alone()
            time.sleep(POLL_S)
        self._child.close()
        return end

    def stop(self) -> None:
        """Ask the process to save and end."""
        if self._child is not None:
            self._child.stop()

    def _leave_if_alone(self) -> None:
        """End this worker when its node is gone; the job is by now run on another.

        Ray's own watch asks whether there is a process of the node's number, which a dead one that
        nobody has collected still answers.
        """
        if os.getppid() != self._node:
            os._exit(1)


@contextmanager
def no_signals_blocked() -> Iterator[None]:
    """Let a process started here hear all signals: Ray's workers block that of Ctrl-C."""
    before = signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
