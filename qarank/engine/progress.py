"""A progress bar on stderr; nothing where stderr is no terminal."""

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from qarank.engine.hooks import StepReport


class ProgressBar:
    """Steps or rows done, with the latest numbers beside.

    Args:
        title: what is counted.
        total: when it is full.
        shown: False draws nothing, as where stderr is no terminal.
    """

    def __init__(self, title: str, total: int, *, shown: bool = True) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
            # Not the console's own idea of a terminal: FORCE_COLOR would put bars into log files.
            disable=not (shown and sys.stderr.isatty()),
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
        rows_per_s = report.num_rows / report.seconds
        note = f"loss {report.loss:.3f}  {rows_per_s:.1f} features/s"
        self._progress.update(self._task, completed=report.global_step, note=note)
