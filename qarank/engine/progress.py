"""How far a run is: a bar where stderr is a terminal, now and then a line where it is none."""

import logging
import sys
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from qarank.engine.hooks import StepReport

LOG = logging.getLogger("qarank")


class ProgressBar:
    """Steps or rows done, with the latest numbers beside.

    Args:
        title: what is counted.
        total: when it is full.
        shown: False draws nothing. Where stderr is no terminal there is no bar, but training steps
            are told in lines.
    """

    def __init__(self, title: str, total: int, *, shown: bool = True) -> None:
        # Not the console's own idea of a terminal: FORCE_COLOR would put bars into log files.
        is_terminal = sys.stderr.isatty()
        self._lines = ProgressLines(total) if shown and not is_terminal else None
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
            disable=not (shown and is_terminal),
        )
        self._task = self._progress.add_task(title, total=total, note="")

    def __enter__(self) -> "ProgressBar":
        """Draw the bar."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bar as it stands."""
        self._progress.stop()

    def advance(self, count: int) -> None:
        """Count some more."""
        self._progress.advance(self._task, count)

    def on_step(self, report: StepReport) -> None:
        """A listener of the training loop."""
        if self._lines is not None:
            self._lines.on_step(report)
        rows_per_s = report.num_rows / report.seconds
        note = f"loss {report.loss:.3f}  {rows_per_s:.1f} features/s"
        self._progress.update(self._task, completed=report.global_step, note=note)


class ProgressLines:
    """Lines on the log: after the first step, then one in a while, and after the last.

    Args:
        total_steps: of the run.
        every_s: seconds between two lines, at least.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        total_steps: int,
        *,
        every_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total_steps, self.every_s, self.clock = total_steps, every_s, clock
        self._first: tuple[int, float] | None = None  # its number, and when it was done
        self._latest_line = 0.0
        self._window: list[StepReport] = []  # since the latest line

    def on_step(self, report: StepReport) -> None:
        """Collect a step; say a line where one is due."""
        now, step = self.clock(), report.global_step
        self._window.append(report)
        is_first = self._first is None
        first_step, first_time = self._first = self._first or (step, now)
        if is_first or step == self.total_steps or now - self._latest_line >= self.every_s:
            left = "" if is_first else self._left(step, (now - first_time) / (step - first_step))
            LOG.info("step %d/%d  %s%s", step, self.total_steps, describe_steps(self._window), left)
            self._window.clear()
            self._latest_line = now

    def _left(self, step: int, seconds_a_step: float) -> str:
        if step == self.total_steps:
            return ""
        return f"  about {describe_duration(seconds_a_step * (self.total_steps - step))} left"


def describe_steps(reports: list[StepReport]) -> str:
    """Mean loss, latest learning rate and speed of some steps."""
    loss = sum(report.loss for report in reports) / len(reports)
    rows_per_s = sum(report.num_rows for report in reports) / sum(r.seconds for r in reports)
    return f"loss {loss:.3f}  lr {reports[-1].learning_rate:.1e}  {rows_per_s:.1f} features/s"


def describe_duration(seconds: float) -> str:
    """To about two digits, in the unit that suits."""
    for unit, size, limit in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        if seconds < limit * size:
            count = seconds / size
            return f"{count:.1f} h" if unit == "h" and count < 10 else f"{count:.0f} {unit}"
    return f"{seconds / 86400:.1f} days"
