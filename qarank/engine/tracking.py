"""Numbers over steps: a line of JSON each, and TensorBoard beside it."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from torch.utils.tensorboard import SummaryWriter

from qarank.artifacts.atomic import writing
from qarank.engine.hooks import StepReport


class Tracker:
    """Appends to a metrics file and to TensorBoard's event files.

    Args:
        metrics_path: JSON lines, each with its global_step; NaN and infinite become null.
        tensorboard_dir: folder for event files.

    Raises:
        RunError: here or later: a file cannot be written.
    """

    def __init__(self, metrics_path: Path, tensorboard_dir: Path) -> None:
        self._folder = metrics_path.parent
        with writing(self._folder):
            self._metrics = metrics_path.open("a", encoding="utf-8")
            self._events = SummaryWriter(str(tensorboard_dir))

    def __enter__(self) -> "Tracker":
        """Both files are open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Both files are closed."""
        with writing(self._folder):
            self._metrics.close()
            self._events.close()

    def log(self, global_step: int, values: Mapping[str, float]) -> None:
        """Write named numbers of one step to both."""
        finite = {tag: value if math.isfinite(value) else None for tag, value in values.items()}
        with writing(self._folder):
            self._metrics.write(json.dumps({"global_step": global_step, **finite}) + "\n")
            self._metrics.flush()
        self.log_events(global_step, values)

    def log_events(self, global_step: int, values: Mapping[str, float]) -> None:
        """Write to TensorBoard alone."""
        with writing(self._folder):
            for tag, value in values.items():
                self._events.add_scalar(tag, value, global_step)


class StepLogger:
    """A listener that logs means over every `log_every` steps.

    Args:
        tracker: where to.
        log_every: steps between two lines; the last step always gets one.
        total_steps: of the run.
    """

    def __init__(self, tracker: Tracker, *, log_every: int, total_steps: int) -> None:
        self.tracker, self.log_every, self.total_steps = tracker, log_every, total_steps
        self._window: list[StepReport] = []
        self._num_skipped = 0

    def __call__(self, report: StepReport) -> None:
        """Collect a step; log where a line is due."""
        self._window.append(report)
        self._num_skipped += report.skipped
        due = report.global_step % self.log_every == 0 or report.global_step == self.total_steps
        if due:
            self.tracker.log(report.global_step, self._means())
            self._window.clear()

    def _means(self) -> dict[str, float]:
        window, last = self._window, self._window[-1]
        seconds = sum(report.seconds for report in window)
        rows = sum(report.num_rows for report in window)
        return {
            "train/loss": sum(report.loss for report in window) / len(window),
            "train/orth_regu_loss": sum(report.penalty for report in window) / len(window),
            "train/grad_norm": last.grad_norm,
            "train/learning_rate": last.learning_rate,
            "train/features_per_s": rows / seconds,
            "train/step_s": seconds / len(window),
            "train/skipped_steps": float(self._num_skipped),
        }
