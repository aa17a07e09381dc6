"""A job's process on this machine: it ends by itself when the one that started it is gone."""

import os
import signal
import subprocess
from contextlib import suppress

import psutil

from qarank.jobs.job import Job, JobEnd
from qarank.jobs.lifeline import LIFELINE

TAIL_BYTES = 4096  # of a log, to find its last line in


class Child:
    """A job that has been started, in a session of its own.

    A terminal's Ctrl-C does not reach it; whoever started it decides what it means. Its standard
    input is its lifeline: a pipe that closes when this process ends, however it ends.

    Raises:
        OSError: the program cannot be started, or the log not be written.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        with job.log.open("ab") as log:
            self._log_start = log.tell()  # what is there is of earlier starts
            self._process = subprocess.Popen(
                list(job.command),
                cwd=job.directory,
                env={**os.environ, **job.environment, LIFELINE: "1"},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def end(self) -> JobEnd | None:
        """How it ended; None while it runs."""
        exit_code = self._process.poll()
        return None if exit_code is None else JobEnd(exit_code, self._read_last_line())

    def stop(self) -> None:
        """Ask it to save and end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once, with all that it has started, in whatever session that runs."""
        if self._process.poll() is not None:
            return
        started = psutil.Process(self._process.pid).children(recursive=True)
        os.killpg(self._process.pid, signal.SIGKILL)
        for each in started:
            with suppress(psutil.NoSuchProcess):  # of its group, or just ended
                each.kill()
        self._process.wait()

    def close(self) -> None:
        """Let go of it; a process that still runs is killed."""
        if self._process.poll() is None:
            self.kill()
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()

    def _read_last_line(self) -> str:
        try:
            with self.job.log.open("rb") as log:
                log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - TAIL_BYTES))
                lines = log.read().decode(errors="replace").split("\n")
        except OSError:  # taken away meanwhile
            return ""
        filled = [line.strip() for line in lines if line.strip()]
        return filled[-1] if filled else ""
