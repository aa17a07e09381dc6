"""qarank sweep: the points of a recipe, each a run folder like any other, several at a time.

A sweep that was stopped, however, goes on by the same command: finished points are kept, unfinished
ones resumed, and those whose recipe or data have changed run anew.
"""

import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qarank.artifacts.lock import lock_folder
from qarank.artifacts.run_dir import claim_run_dir, make_run_dir
from qarank.config.schema import Recipe
from qarank.config.sweep_points import expand_points
from qarank.engine.signals import SignalRequests
from qarank.errors import QarankError, RunError, StoppedError
from qarank.jobs.job import Job, JobEnd, Watch
from qarank.report.study import Results
from qarank.workflows.point_progress import PointProgress
from qarank.workflows.sweep_check import CheckedPoint, check_points, require_one
from qarank.workflows.sweep_job import WRITER_WAIT_S, Share, build_job, job_paths
from qarank.workflows.sweep_ledger import SweepLedger
from qarank.workflows.sweep_output import write_report, write_summary
from qarank.workflows.sweep_setup import (
    SweepOptions,
    check_sweep_dir,
    choose_executor,
    choose_points,
)
from qarank.workflows.sweep_state import Standing, bring_back, judge_standing, put_aside

LOG = logging.getLogger("qarank")
OWN_WORDS = "qarank: "  # opens the last line of a command that fails


@dataclass(frozen=True)
class Listener:
    """Told of what happens to points.

    Attributes:
        changed: a point's name, what it is now, and a note.
        ticked: several times a second: gives how far each point is, where that is asked for.
    """

    changed: Callable[[str, str, str], None] = lambda name, state, note: None
    ticked: Callable[[Callable[[], list[PointProgress]]], None] = lambda look: None


@dataclass(frozen=True)
class SweepOutcome:
    """What a call of a sweep came to.

    Attributes:
        results: of all points, with what earlier calls ran.
        failure: what to end with; None where no point failed.
    """

    results: Results
    failure: QarankError | None = None


def run_sweep(recipe: Recipe, options: SweepOptions, listener: Listener) -> SweepOutcome:
    """Run every point that is asked for and not finished yet, then write tables and page.

    A point that cannot run, or fails on the way, stops no other.

    Raises:
        QarankError: nothing can run: the sweep's folder is taken, or no point can.
        StoppedError: a signal asked for it; points that ran have saved where they were.
    """
    points = expand_points(recipe)
    chosen = choose_points(points, options.only)
    sweep_dir = Path(recipe.runs_dir) / recipe.name
    check_sweep_dir(sweep_dir, points)
    executor, share = choose_executor(recipe, options)
    if sweep_dir.is_dir():
        with lock_folder(sweep_dir):
            pass  # refused now, not after all points have been looked at
    checked = check_points(chosen)
    require_one(checked)
    make_run_dir(sweep_dir)
    with lock_folder(sweep_dir), SignalRequests() as signals:
        ledger = SweepLedger(points)
        run = _SweepRun(recipe, sweep_dir, ledger, listener, signals)
        jobs = [job for each in checked for job in run.make_jobs(each, share, options)]
        write_summary(recipe, sweep_dir, ledger)
        executor.run(jobs, run.watch)
        results = write_report(recipe, sweep_dir, ledger)
    if signals.stop:
        raise _describe_stop(signals.stop, results, options)
    return SweepOutcome(results, _describe_failures(ledger, sweep_dir))


class _SweepRun:
    """One call of a sweep: makes jobs of points, and notes what comes of them."""

    def __init__(
        self,
        recipe: Recipe,
        sweep_dir: Path,
        ledger: SweepLedger,
        listener: Listener,
        signals: SignalRequests,
    ) -> None:
        self.recipe, self.sweep_dir, self.ledger = recipe, sweep_dir, ledger
        self.listener, self.signals = listener, signals
        self._to_do: dict[str, Callable[[], None]] = {}  # point -> what makes its folder ready
        self.watch = Watch(
            admits=self._admit,
            started=self._started,
            ended=self._ended,
            tick=lambda: listener.ticked(ledger.progress),
            is_stopping=lambda: signals.stop != 0,
        )

    def make_jobs(self, checked: CheckedPoint, share: Share, options: SweepOptions) -> list[Job]:
        """The point's job; none where there is nothing to do or it cannot run, which is told."""
        name = checked.point.name
        try:
            if checked.problem is not None:
                raise checked.problem
            if self._is_done(checked, overwrite=options.overwrite):
                return []
            self._to_do[name] = partial(_make_ready, checked, overwrite=options.overwrite)
            return [build_job(self.sweep_dir, checked.point, share)]
        except QarankError as error:
            self._fail(name, str(error), error.exit_code)
            return []

    def _is_done(self, checked: CheckedPoint, *, overwrite: bool) -> bool:
        """Whether nothing is left to do."""
        name = checked.point.name
        if overwrite:
            return False
        standing, _ = judge_standing(checked)
        if standing in (Standing.NEW, Standing.CHANGED) and bring_back(checked):
            standing = Standing.FINISHED
        if standing is not Standing.FINISHED:
            self.ledger.note(name, is_current=standing is Standing.UNFINISHED)
            return False
        self.ledger.note(name, is_current=True, was_finished=True)
        self.listener.changed(name, "finished before, kept", "")
        return True

    def _admit(self, name: str) -> bool:
        """Make the point's folder ready; only now, so that a sweep stopped before loses nothing."""
        try:
            self._to_do[name]()
        except QarankError as error:
            self._fail(name, str(error), error.exit_code)
            return False
        return True

    def _started(self, name: str) -> None:
        self.ledger.note(name, is_current=True, is_running=True)
        self.listener.changed(name, "running", "")

    def _ended(self, name: str, end: JobEnd) -> None:
        if end.exit_code == 0:
            self.ledger.note(name)
            self.listener.changed(name, "finished", "")
        elif self.signals.stop and end.exit_code in _stop_codes():
            self.ledger.note(name)
            self.listener.changed(name, "stopped", "")
        else:
            self._fail(name, end.reason.removeprefix(OWN_WORDS), end.exit_code)
        try:
            write_summary(self.recipe, self.sweep_dir, self.ledger)
        except RunError as error:  # as on a full disk: other points may still come to their end
            LOG.warning("the sweep's tables are not up to date: %s", error)

    def _fail(self, name: str, reason: str, exit_code: int) -> None:
        self.ledger.note(name, failure=reason, exit_code=exit_code)
        self.listener.changed(name, "failed", reason)


def _make_ready(checked: CheckedPoint, *, overwrite: bool) -> None:
    """Empty the folder that is to be overwritten; put a changed point's run aside.

    Raises:
        RunDirError: another process writes there, or the folder is somebody else's.
    """
    if overwrite:
        claim_run_dir(checked.run_dir.path, overwrite=True, wait_s=WRITER_WAIT_S)
        return
    standing, change = judge_standing(checked)
    if standing is Standing.CHANGED:
        put_aside(checked, change)


def _stop_codes() -> set[int]:
    """How a command ends that was asked to stop, before or after it could answer."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    return {code for number in numbers for code in (128 + number, -number)}


def _describe_stop(number: int, results: Results, options: SweepOptions) -> StoppedError:
    rows = results.study.rows
    finished = sum(row.state == "finished" for row in rows)
    error = StoppedError(
        f"stopped by {signal.Signals(number).name}; {finished} of {len(rows)} points are finished",
        number,
    )
    error.hint = f"go on with {options.resume_command}"
    return error


def _describe_failures(ledger: SweepLedger, sweep_dir: Path) -> QarankError | None:
    """The first failure, with how many there are; a user's mistake where all of them are."""
    failed = ledger.failed()
    if not failed:
        return None
    first = failed[0]
    line = (
        f"{len(failed)} of {len(ledger.points)} points failed; {first.point.name}: {first.failure}"
    )
    _, log = job_paths(sweep_dir, first.point.name)
    if log.is_file():
        line += f" (all it said: {log})"
    is_mistake = all(entry.exit_code == QarankError.exit_code for entry in failed)
    return QarankError(line) if is_mistake else RunError(line)
