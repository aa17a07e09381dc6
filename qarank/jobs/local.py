"""Runs jobs as processes of this machine, each with GPUs of its own where there are some."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from qarank.errors import LaunchError
from qarank.jobs.child import Child
from qarank.jobs.job import NOT_STARTED, Job, JobEnd, Watch

POLL_S = 0.2  # between two looks at the processes

Place = tuple[str, ...]  # the GPUs of one job at a time, as CUDA_VISIBLE_DEVICES names them


@dataclass
class _Running:
    child: Child
    place: Place
    is_told: bool = False  # to stop


class LocalExecutor:
    """Runs jobs here, as many at a time as there are places.

    Args:
        places: the GPUs of each; empty ones where there is none.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = places

    def run(self, jobs: Sequence[Job], watch: Watch) -> None:
        """See `Executor`; an error of the watch kills what runs."""
        waiting, free = list(jobs), list(self.places)
        running: list[_Running] = []
        try:
            while running or (waiting and not watch.is_stopping()):
                while waiting and free and not watch.is_stopping():
                    self._start(waiting.pop(0), free, running, watch)
                watch.tick()
                time.sleep(POLL_S)
                self._look(running, free, watch)
        finally:
            for each in running:
                each.child.close()

    def _start(self, job: Job, free: list[Place], running: list[_Running], watch: Watch) -> None:
        if not watch.admits(job.name):
            return
        place = free.pop(0)
        try:
            child = Child(place_job(job, place))
        except OSError as error:
            free.insert(0, place)
            watch.ended(job.name, JobEnd(NOT_STARTED, f"it cannot be started: {error}"))
            return
        running.append(_Running(child, place))
        watch.started(job.name)

    def _look(self, running: list[_Running], free: list[Place], watch: Watch) -> None:
        for each in list(running):
            end = each.child.end
            if end is not None:
                running.remove(each)
                free.append(each.place)
                each.child.close()
                watch.ended(each.child.job.name, end)
            elif watch.is_stopping() and not each.is_told:
                each.child.stop()
                each.is_told = True


def place_job(job: Job, place: Place) -> Job:
    """The job, seeing the GPUs of its place alone."""
    if not place:
        return job
    return replace(job, environment={**job.environment, "CUDA_VISIBLE_DEVICES": ",".join(place)})


def share_gpus(visible: Sequence[str], *, gpus_a_job: int, num_jobs: int | None) -> list[Place]:
    """Places for jobs: each GPU belongs to one at most.

    Args:
        visible: the GPUs' names; empty on a machine without.
        gpus_a_job: 1 or more; without GPUs it counts processes and takes none.
        num_jobs: jobs at a time; None takes as many as there are GPUs for, or 1.

    Raises:
        LaunchError: there are too few GPUs.
    """
    if not visible:
        return [()] * (num_jobs or 1)
    most = len(visible) // gpus_a_job
    if most < (num_jobs or 1):
        raise LaunchError(
            f"--jobs {num_jobs or 1} of --nproc {gpus_a_job} need {(num_jobs or 1) * gpus_a_job} "
            f"GPUs, and {len(visible)} are visible; at most {most} jobs are allowed"
        )
    starts = range(0, (num_jobs or most) * gpus_a_job, gpus_a_job)
    return [tuple(visible[start : start + gpus_a_job]) for start in starts]
