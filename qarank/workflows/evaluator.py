"""The evaluations of a run in training: read by all processes, scored and written by one."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from qarank.artifacts.evaluation import write_evaluation
from qarank.artifacts.run_dir import RunDir
from qarank.engine.progress import ProgressBar
from qarank.errors import NonFiniteError, RunError, StoppedError
from qarank.squad.spans import TopSpans
from qarank.workflows.build import Setting, build_reader
from qarank.workflows.data import Part
from qarank.workflows.manner import Manner
from qarank.workflows.prepare import Prepared
from qarank.workflows.scoring import find_spans, score_spans, tune_on


class Evaluator:
    """Scores the model after a step and writes the evaluation's files.

    Args:
        prepared: data and recipe.
        model: in training.
        run_dir: where the files go.
        setting: device, processes and signals.
        show_progress: draw a bar.
    """

    def __init__(
        self,
        prepared: Prepared,
        model: nn.Module,
        run_dir: RunDir,
        setting: Setting,
        *,
        show_progress: bool,
    ) -> None:
        self.prepared, self.run_dir, self.setting = prepared, run_dir, setting
        self.reader = build_reader(prepared, model, setting)
        self.show_progress = show_progress
        self._tuned: tuple[int, float] | None = None  # step, threshold

    def __call__(self, global_step: int) -> Mapping[str, Any]:
        """The figures, the same on every process.

        Raises:
            StoppedError: a signal asks to stop; the evaluation is given up on every process.
            RunError: logits are not finite.
        """
        part = self.prepared.validation
        assert part is not None  # no evaluation is due without
        threshold = self.threshold_at(global_step) if self.prepared.with_null else None
        started = time.perf_counter()
        spans = self._find_spans(global_step, part)
        return self.setting.processes.on_main(
            lambda: self._score(global_step, part, spans, threshold, started)
        )

    def threshold_at(self, global_step: int) -> float:
        """The null threshold of the model after a step, tuned if the recipe asks for it.

        Raises:
            StoppedError, RunError: as an evaluation.
        """
        known = self.known_threshold(global_step)
        if known is not None:
            return known
        part, settings = self.prepared.threshold, self.prepared.recipe.eval
        assert part is not None  # the recipe holds some out
        spans = self._find_spans(global_step, part)
        tune = partial(tune_on, spans, part.examples, part.table, settings)
        self._tuned = global_step, self.setting.processes.on_main(tune)
        return self._tuned[1]

    def known_threshold(self, global_step: int) -> float | None:
        """The same, if it needs no tuning or has been tuned; else None."""
        asked = self.prepared.recipe.eval.null_threshold
        if not isinstance(asked, str):
            return asked
        return self._tuned[1] if self._tuned is not None and self._tuned[0] == global_step else None

    def manner_at(self, global_step: int) -> Manner:
        """How the model after a step answers; without a threshold where none has been tuned."""
        return Manner.of_recipe(
            self.prepared.recipe,
            null_threshold=self.known_threshold(global_step),
            with_null=self.prepared.with_null,
        )

    def _find_spans(self, global_step: int, part: Part) -> TopSpans:
        try:
            with ProgressBar("evaluate", len(part.table), shown=self.show_progress) as bar:
                return find_spans(
                    self.reader,
                    part.table,
                    self.prepared.recipe.eval,
                    processes=self.setting.processes,
                    on_batch=lambda count: self._note(bar, count),
                    names=part_names(part),
                )
        except NonFiniteError as error:
            raise RunError(f"step {global_step}, evaluation: {error}") from error

    def _note(self, bar: ProgressBar, count: int) -> None:
        bar.advance(count)
        signals = self.setting.signals
        if signals is not None and signals.stop:
            raise StoppedError("the evaluation was given up", signals.stop)

    def _score(
        self,
        global_step: int,
        part: Part,
        spans: TopSpans,
        null_threshold: float | None,
        started: float,
    ) -> Mapping[str, Any]:
        found = score_spans(
            spans,
            part.examples,
            part.table,
            self.prepared.recipe.eval,
            null_threshold=null_threshold,
            started=started,
        )
        checkpoint = self.run_dir.checkpoint_dir(global_step).name
        write_evaluation(
            self.run_dir.eval_dir(checkpoint, part.label),
            metrics=found.metrics,
            predictions=found.decoded.predictions,
            nbest_json=found.decoded.nbest_json,
            null_odds=found.decoded.null_odds,
        )
        return found.metrics


def part_names(part: Part) -> Callable[[np.ndarray], list[str]]:
    """Feature numbers -> the ids of their examples, for messages."""
    index, examples = part.table.example_index, part.examples
    return lambda rows: [examples[number].id for number in index[rows]]


def metric_key(best_metric: str, with_null: bool) -> str:
    """SQuAD v1.1's script calls exact match exact_match, v2.0's exact."""
    return "exact_match" if best_metric == "exact" and not with_null else best_metric
