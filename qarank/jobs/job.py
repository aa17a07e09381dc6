"""A job: one command to be run in a process of its own, and what came of it.

This room runs commands; it has never heard of recipes, and needs no torch.
"""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

NOT_STARTED = 127  # as a shell says that there is no such command
USUAL_REASONS = {int(signal.SIGKILL): "as the kernel does where memory is full"}


@dataclass(frozen=True)
class Job:
    """A command that may be stopped by SIGTERM and started again to go on.

    Attributes:
        name: unique among the jobs that run together.
        command: program and arguments.
        directory: to run in.
        log: file that what it prints is added to.
        environment: variables to set besides those that are set already.
        num_gpus: it is given where there are GPUs; 0 leaves the choice to it.
        num_threads: CPU threads it takes.
    """

    name: str
    command: Sequence[str]
    directory: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # it may hold a token
    num_gpus: int = 0
    num_threads: int = 1


@dataclass(frozen=True)
class JobEnd:
    """How a job ended.

    Attributes:
        exit_code: the command's; minus a signal's number where that killed it.
        last_line: of what it printed.
    """

    exit_code: int
    last_line: str = ""

    @property
    def reason(self) -> str:
        """Why it failed, in a line."""
        if self.exit_code >= 0:
            return self.last_line or f"it ended with exit code {self.exit_code} and said nothing"
        number = -self.exit_code
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        usual = USUAL_REASONS.get(number)
        return f"its process was killed by {name}" + (f", {usual}" if usual else "")


@dataclass(frozen=True)
class Watch:
    """What whoever started jobs is told of them, and asked. All are called in one thread.

    Attributes:
        admits: asked of a job's name right before its process is started for the first time; one
            that is refused is left out, and nothing more is told of it.
        started: a job's name, when its process starts; once more where its machine was lost.
        ended: its name and end.
        tick: called several times a second.
        is_stopping: whether jobs that run are to be stopped, and no more started.
    """

    admits: Callable[[str], bool] = lambda name: True
    started: Callable[[str], None] = lambda name: None
    ended: Callable[[str, JobEnd], None] = lambda name, end: None
    tick: Callable[[], None] = lambda: None
    is_stopping: Callable[[], bool] = lambda: False


class Executor(Protocol):
    """Runs jobs, several at a time."""

    def run(self, jobs: Sequence[Job], watch: Watch) -> None:
        """Run all, each once, in order as places get free; returns when all have ended.

        A job that fails stops no other. Where `watch.is_stopping` those that run are sent SIGTERM
        and waited for, the others are never started.

        Raises:
            QarankError: jobs cannot be run at all.
        """
