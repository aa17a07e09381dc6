"""The picture of inspect-ranks. Loads matplotlib."""

from collections.abc import Sequence
from pathlib import Path

from qarank.artifacts.atomic import write_bytes
from qarank.errors import DataError
from qarank.report.rank_picture import MOST_RUNS, DrawnRun, draw_runs
from qarank.workflows.inspect_output import Inspected


def write_picture(path: Path, runs: Sequence[Inspected]) -> None:
    """Draw the runs below each other, with their rounds where there are any.

    Raises:
        DataError: they are too many for one picture.
        RunError: the file cannot be written.
    """
    if len(runs) > MOST_RUNS:
        raise DataError(f"{path}: {len(runs)} runs; a picture has room for {MOST_RUNS}")
    drawn = [
        DrawnRun(
            title=f"{run.label}: {run.report.total_rank} triplets, "
            f"{run.report.total_parameters:,} parameters",
            ranks=run.report.ranks,
            r=run.report.r,
            kinds=run.report.kinds,
            rounds=run.rounds or [],
            last_step=run.last_step,
        )
        for run in runs
    ]
    write_bytes(path, draw_runs(drawn))
