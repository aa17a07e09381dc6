"""Numbers over steps: a line of JSON each, and TensorBoard beside it."""

import json
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np

from qarank.artifacts.atomic import writing
from qarank.engine.event_writer import (
    EventFile,
    HParams,
    end_summary,
    image_summary,
    scalar_summary,
    start_summaries,
)
from qarank.engine.hooks import StepReport


class MetricSink(AbstractContextManager["MetricSink"], Protocol):
    """What a run tells its numbers to; open while its context lasts."""

    def log(self, global_step: int, values: Mapping[str, float]) -> None:
        """Named numbers of one step, to the metrics file and to TensorBoard."""

    def log_events(self, global_step: int, values: Mapping[str, float]) -> None:
        """The same, to TensorBoard alone."""

    def log_image(self, global_step: int, tag: str, pixels: np.ndarray) -> None:
        """A picture, (height, width, 3) uint8, to TensorBoard alone."""

    def start_hparams(self, hparams: HParams, metric_tags: Iterable[str]) -> None:
        """Name the run's settings and its telling numbers, at the start of a run.

        A row of TensorBoard's HPARAMS page; a row that is there already stays as it is.
        """

    def log_hparams(self, global_step: int, hparams: HParams, metrics: Mapping[str, float]) -> None:
        """The run's settings with its final numbers, by tags of their own, at its end."""

    def sync(self) -> None:
        """Have all that was logged on disk when this returns, as before a checkpoint."""


class Tracker(MetricSink):
    """Appends to a metrics file, and adds a file to TensorBoard's folder.

    Args:
        metrics_path: JSON lines, each with its global_step; NaN and infinite become null.
        tensorboard_dir: folder for event files.

    Raises:
        RunError: here or later: a file cannot be written.
    """

    def __init__(self, metrics_path: Path, tensorboard_dir: Path) -> None:
        self._folder = metrics_path.absolute().parent
        with writing(self._folder):
            self._metrics = metrics_path.open("a", encoding="utf-8")
            self._events = EventFile(tensorboard_dir)

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
        with writing(self._folder), closing(self._events):
            self._metrics.close()

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
            self._events.add(scalar_summary(values), global_step)

    def log_image(self, global_step: int, tag: str, pixels: np.ndarray) -> None:
        """Write a picture to TensorBoard alone."""
        with writing(self._folder):
            self._events.add(image_summary(tag, pixels), global_step)

    def start_hparams(self, hparams: HParams, metric_tags: Iterable[str]) -> None:
        """Write the run's row; a resumed run's is ignored by TensorBoard, it keeps the first."""
        with writing(self._folder):
            for summary in start_summaries(self._folder, hparams, metric_tags):
                self._events.add(summary)

    def log_hparams(self, global_step: int, hparams: HParams, metrics: Mapping[str, float]) -> None:
        """Write the run's row, its final numbers, and that it is done."""
        self.start_hparams(hparams, metrics)
        self.log_events(global_step, metrics)
        with writing(self._folder):
            self._events.add(end_summary())

    def sync(self) -> None:
        """Force both to disk."""
        with writing(self._folder):
            os.fsync(self._metrics.fileno())
            self._events.sync()


class NullTracker(MetricSink):
    """Takes everything and does nothing: for processes that are not the main one."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing was open."""

    def log(self, global_step: int, values: Mapping[str, float]) -> None:
        """See MetricSink."""

    def log_events(self, global_step: int, values: Mapping[str, float]) -> None:
        """See MetricSink."""

    def log_image(self, global_step: int, tag: str, pixels: np.ndarray) -> None:
        """See MetricSink."""

    def start_hparams(self, hparams: HParams, metric_tags: Iterable[str]) -> None:
        """See MetricSink."""

    def log_hparams(self, global_step: int, hparams: HParams, metrics: Mapping[str, float]) -> None:
        """See MetricSink."""

    def sync(self) -> None:
        """See MetricSink."""


class StepLogger:
    """A listener that logs means over every `log_every` steps.

    Args:
        tracker: where to.
        log_every: steps between two lines; the last step always gets one.
        total_steps: of the run.
        penalty_weight: the penalty is logged without it, as the released code does.
    """

    def __init__(
        self,
        tracker: MetricSink,
        *,
        log_every: int,
        total_steps: int,
        penalty_weight: float = 1.0,
    ) -> None:
        self.tracker, self.log_every, self.total_steps = tracker, log_every, total_steps
        self.penalty_weight = penalty_weight
        self._num_skipped = 0
        self._window: dict[str, float] = defaultdict(int)  # sums since the latest line

    def __call__(self, report: StepReport) -> None:
        """Collect a step; log where a line is due."""
        self._collect(report)
        if self.is_due(report.global_step):
            self.tracker.log(report.global_step, self._means(report))
            self._window.clear()

    def is_due(self, global_step: int) -> bool:
        """Whether a line comes after this step."""
        return global_step % self.log_every == 0 or global_step == self.total_steps

    def state_dict(self) -> dict[str, float | int]:
        """The sums since the latest line, as JSON takes them and gives them back."""
        return {"num_skipped": self._num_skipped, **self._window}

    def load_state_dict(self, state: Mapping[str, float | int]) -> None:
        """Go on as if never stopped."""
        self._window.clear()
        self._window.update(state)
        self._num_skipped = int(self._window.pop("num_skipped"))

    def _collect(self, report: StepReport) -> None:
        window = self._window
        window["steps"] += 1
        window["rows"] += report.num_rows
        window["loss"] += report.loss
        window["penalty"] += report.penalty
        window["seconds"] += report.seconds
        for part, seconds in report.seconds_by_part.items():
            window[f"time/{part}_s"] += seconds
        self._num_skipped += report.skipped

    def _means(self, latest: StepReport) -> dict[str, float]:
        window, steps = self._window, self._window["steps"]
        return {
            "train/loss": window["loss"] / steps,
            "train/orth_regu_loss": window["penalty"] / (self.penalty_weight or 1.0) / steps,
            "train/grad_norm": latest.grad_norm,
            "train/learning_rate": latest.learning_rate,
            "train/features_per_s": window["rows"] / window["seconds"],
            "train/step_s": window["seconds"] / steps,
            "train/skipped_steps": float(self._num_skipped),
            **{tag: total / steps for tag, total in window.items() if tag.startswith("time/")},
        }
