"""An executor that runs a sweep's jobs in this process, one after another: starts in no time."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from qarank.config.load import load_recipe
from qarank.errors import QarankError, StoppedError
from qarank.jobs.job import Job, JobEnd, Watch
from qarank.workflows.train import TrainOptions, train_recipe

Before = Callable[[Job], None]


class InProcess:
    """Does what `qarank train RECIPE --resume` does.

    Args:
        before: called before each job.
    """

    def __init__(self, before: Before = lambda job: None) -> None:
        self.before = before
        self.ran: list[str] = []

    def run(self, jobs: Sequence[Job], watch: Watch) -> None:
        for job in jobs:
            if watch.is_stopping():
                return
            if not watch.admits(job.name):
                continue
            assert list(job.command[2:4]) == ["qarank", "train"] and "--resume" in job.command
            self.ran.append(job.name)
            watch.started(job.name)
            watch.tick()
            self.before(job)
            watch.ended(job.name, self._run(job))

    def _run(self, job: Job) -> JobEnd:
        try:
            options = TrainOptions(resume=True, show_progress=False)
            train_recipe(load_recipe(Path(job.command[4])), options)
        except StoppedError as error:
            os.kill(os.getpid(), error.exit_code - 128)  # what the run took was the sweep's, too
            return JobEnd(error.exit_code)
        except QarankError as error:
            return JobEnd(error.exit_code, f"qarank: {error}")
        return JobEnd(0)
