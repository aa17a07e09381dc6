"""What is known of each point of a sweep while it runs; the folders hold the rest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qarank.artifacts.run_dir import RunDir
from qarank.config.sweep_points import SweepPoint
from qarank.errors import QarankError
from qarank.report.study import Row
from qarank.workflows.point_progress import PointProgress, read_progress
from qarank.workflows.sweep_rows import read_row
from qarank.workflows.sweep_state import find_recipe_change, has_begun
from qarank.workflows.train import run_path


@dataclass(frozen=True)
class Entry:
    """One point.

    Attributes:
        point: of the sweep.
        is_current: its folder holds a run of its own recipe, as far as that is known.
        is_running: a process is at it.
        was_finished: an earlier call had run it.
        failure: why it could not run, or its folder not be read; None where nothing of it failed.
        exit_code: that a command of its own would have ended with.
    """

    point: SweepPoint
    is_current: bool = True
    is_running: bool = False
    was_finished: bool = False
    failure: str | None = None
    exit_code: int = 0


class SweepLedger:
    """Keeps an entry a point; what is asked of it is read from the folders at that moment.

    Args:
        points: all of the sweep, those that are not run in this call too.
    """

    def __init__(self, points: Sequence[SweepPoint]) -> None:
        self.points = points
        self.entries = {point.name: _open_entry(point) for point in points}

    def note(
        self,
        name: str,
        *,
        is_current: bool | None = None,
        is_running: bool = False,
        was_finished: bool = False,
        failure: str | None = None,
        exit_code: int = 0,
    ) -> None:
        """What a point is from now on."""
        entry = self.entries[name]
        self.entries[name] = replace(
            entry,
            is_current=entry.is_current if is_current is None else is_current,
            is_running=is_running,
            was_finished=was_finished,
            failure=failure,
            exit_code=exit_code,
        )

    def rows(self) -> list[Row]:
        """Every point as its folder has it now."""
        return [_read_row(entry) for entry in self.entries.values()]

    def progress(self) -> list[PointProgress]:
        """How far every point is now."""
        return [_read_progress(entry) for entry in self.entries.values()]

    def failed(self) -> list[Entry]:
        """Those that failed in this call."""
        return [entry for entry in self.entries.values() if entry.exit_code != 0]


def _read_row(entry: Entry) -> Row:
    """A folder that cannot be read is a failure of its point alone."""
    try:
        row = read_row(
            entry.point,
            was_finished=entry.was_finished,
            failure=entry.failure,
            is_current=entry.is_current,
        )
    except QarankError as error:
        row = read_row(entry.point, failure=str(error), is_current=False)
    return replace(row, state="running", reason=None) if entry.is_running else row


def _read_progress(entry: Entry) -> PointProgress:
    name, row = entry.point.name, _read_row(entry)
    note = row.reason or ""
    if row.state == "waiting":
        return PointProgress(name, row.state)
    try:
        return read_progress(name, RunDir(run_path(entry.point.recipe)), row.state, note=note)
    except QarankError as error:
        return PointProgress(name, row.state, note=note or str(error))


def _open_entry(point: SweepPoint) -> Entry:
    run_dir = RunDir(run_path(point.recipe))
    try:
        is_own = has_begun(run_dir.read_run()) and not find_recipe_change(run_dir, point.recipe)
    except QarankError as error:
        return Entry(point, is_current=False, failure=str(error))
    return Entry(point, is_current=is_own)
