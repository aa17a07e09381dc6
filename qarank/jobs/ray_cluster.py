"""Runs jobs on the nodes of a Ray cluster; those of a node that is lost run again on another.

All nodes see logs and folders at the same paths, as on a shared disk, and have the same Python
environment at the same path: a job is the same command as on one machine.
"""

import logging
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from qarank.errors import LaunchError, LostProcessError, RunError
from qarank.jobs.job import NOT_STARTED, Job, JobEnd, Watch
from qarank.jobs.node_room import ask_for_gpus, find_misfit, read_rooms
from qarank.jobs.ray_node import JobOnNode
from qarank.jobs.ray_session import join_ray, say_briefly

LOG = logging.getLogger("qarank")
POLL_S = 0.2  # between two looks at the jobs
MOST_STARTS = 4  # a node is lost now and then; a job that loses four is likely to be what ends them
PATIENCE_S = 900.0  # for a node that can take a job to come back, nothing else running
ROOM_POLL_S = 10.0  # between two looks at the nodes
MAX_REASON = 160  # characters
# When Ray ends a worker it kills the worker's children, who would not save.
WORKER_ENVIRONMENT = {"env_vars": {"RAY_kill_child_processes_on_worker_exit": "0"}}


@dataclass
class _Attempt:
    """A job that has been handed to Ray.

    Attributes:
        job: the job.
        number: 1 the first time.
        actor: Ray's handle of its JobOnNode.
        answer: what is waited for: that it has started, then that it has ended.
        has_started: which of the two.
        is_told: to stop.
    """

    job: Job
    number: int
    actor: Any
    answer: Any
    has_started: bool = False
    is_told: bool = False


class RayExecutor:
    """Runs jobs on a Ray cluster, each where its threads and GPUs are free.

    A job whose command fails is not run again; one whose node or worker is lost is, so its command
    must go on from what it saved and wait for a lost process that is still saving. A node that each
    job fits on is there from the start: none is ordered. Where the head node is lost, Ray ends this
    process too, within a minute or so.

    Args:
        address: of the cluster; None starts one of this machine.
        num_jobs: most at a time; None leaves it to the cluster.
    """

    def __init__(self, address: str | None, *, num_jobs: int | None = None) -> None:
        self.address, self.num_jobs = address, num_jobs

    def run(self, jobs: Sequence[Job], watch: Watch) -> None:
        """See `Executor`; an error of the watch stops what runs.

        Raises:
            LaunchError: there is no Ray, no cluster, or no node of it that a job fits on.
            LostProcessError: the cluster is gone, or the nodes that jobs fit on have not come back.
        """
        if not jobs:
            return
        with join_ray(self.address) as ray:
            rooms = read_rooms(ray.nodes())
            jobs = ask_for_gpus(jobs, rooms)
            misfit = find_misfit(jobs, rooms)
            if misfit:
                raise LaunchError(misfit)
            try:
                _Course(ray, watch, self.num_jobs or len(jobs)).run(jobs)
            except BrokenPipeError:
                raise  # of what we print: nothing reads it any more
            except (ConnectionError, ray.exceptions.RaySystemError) as error:
                raise LostProcessError(f"the Ray cluster is gone: {say_briefly(error)}") from error


class _Course:
    """One call of `run`."""

    def __init__(self, ray: Any, watch: Watch, most: int) -> None:
        self.ray, self.watch, self.most = ray, watch, most
        self.running: list[_Attempt] = []
        self._room_seen = self._room_asked = time.monotonic()

    def run(self, jobs: Sequence[Job]) -> None:
        """As `Executor.run`; what still runs when this ends is stopped."""
        waiting = list(jobs)
        try:
            while self.running or (waiting and not self.watch.is_stopping()):
                while waiting and len(self.running) < self.most and not self.watch.is_stopping():
                    job = waiting.pop(0)
                    if self.watch.admits(job.name):
                        self._submit(job, number=1)
                self.watch.tick()
                self._look()
                if self.watch.is_stopping():
                    self._stop()
                else:
                    self._require_room()
        finally:
            for attempt in self.running:
                self.ray.kill(attempt.actor)

    def _submit(self, job: Job, *, number: int) -> None:
        actor = (
            self.ray.remote(JobOnNode)
            .options(
                num_cpus=job.num_threads,
                num_gpus=job.num_gpus,
                max_concurrency=2,  # it can be told to stop while its end is waited for
                runtime_env=WORKER_ENVIRONMENT,
            )
            .remote(job)
        )
        self.running.append(_Attempt(job, number, actor, actor.start.remote()))

    def _look(self) -> None:
        """Wait a moment for answers, and act on those that came."""
        answers = [attempt.answer for attempt in self.running]
        if not answers:
            return
        ready, _ = self.ray.wait(answers, num_returns=len(answers), timeout=POLL_S)
        for attempt in [each for each in self.running if each.answer in ready]:
            try:
                end = self.ray.get(attempt.answer)
            except (self.ray.exceptions.RayTaskError, self.ray.exceptions.RaySystemError):
                raise  # ours, or of the cluster
            except self.ray.exceptions.RayError as error:
                self._lose(attempt, error)
                continue
            if end is None:
                attempt.has_started, attempt.answer = True, attempt.actor.wait.remote()
                self.watch.started(attempt.job.name)
            else:
                self._finish(attempt, end)

    def _finish(self, attempt: _Attempt, end: JobEnd) -> None:
        self.running.remove(attempt)
        self.ray.kill(attempt.actor)  # frees what it holds of its node
        self.watch.ended(attempt.job.name, end)

    def _lose(self, attempt: _Attempt, error: Exception) -> None:
        """The node or the worker is gone; what it ran saves and ends by its lifeline."""
        reason = _describe(error)
        if getattr(error, "actor_init_failed", False):
            unfit = f"it cannot be started on its node, which lacks this environment: {reason}"
            self._finish(attempt, JobEnd(NOT_STARTED, unfit))
            return
        if self.watch.is_stopping():
            lost = JobEnd(128 + signal.SIGTERM, f"its node or worker was lost: {reason}")
            self._finish(attempt, lost)
            return
        if attempt.number == MOST_STARTS:
            times = f", as {attempt.number - 1} before it" if attempt.number > 1 else ""
            lost = JobEnd(RunError.exit_code, f"its node or worker was lost{times}: {reason}")
            self._finish(attempt, lost)
            return
        LOG.warning(
            "%s: its node or worker was lost, it is run again: %s", attempt.job.name, reason
        )
        self.running.remove(attempt)
        self.ray.kill(attempt.actor)
        self._submit(attempt.job, number=attempt.number + 1)

    def _stop(self) -> None:
        for attempt in list(self.running):
            if not attempt.has_started:
                self.running.remove(attempt)
                self.ray.kill(attempt.actor)
            elif not attempt.is_told:
                attempt.actor.stop.remote()
                attempt.is_told = True

    def _require_room(self) -> None:
        """Do not wait for ever for nodes that are gone."""
        now = time.monotonic()
        pending = [each.job for each in self.running if not each.has_started]
        if len(pending) < len(self.running) or not pending:
            self._room_seen = now
        elif now - self._room_asked >= ROOM_POLL_S:
            self._room_asked = now
            misfit = find_misfit(pending, read_rooms(self.ray.nodes()))
            if misfit is None:
                self._room_seen = now
            elif now - self._room_seen >= PATIENCE_S:
                raise LostProcessError(f"nodes that were lost have not come back: {misfit}")


def _describe(error: Exception) -> str:
    """Ray's last word on it, without its advice."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return shorten(lines[-1], MAX_REASON, placeholder=" ...")
