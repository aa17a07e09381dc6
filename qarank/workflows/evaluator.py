"""The evaluations of a run in training: read by all processes, scored and written by one."""

import time
from collections.abc import Callable, Mapping
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
from qarank.workflows.prepare import Prepared
from qarank.workflows.scoring import find_spans, score_spans


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

    def __call__(self, global_step: int) -> Mapping[str, Any]:
        """The figures, the same on every process.

        Raises:
            StoppedError: a signal asks to stop; the evaluation is given up on every process.
            RunError: logits are not finite.
        """
        part = self.prepared.validation
        assert part is not None  # no evaluation is due without
        started = time.perf_counter()
        try:
            with ProgressBar("evaluate", len(part.table), shown=self.show_progress) as bar:
                spans = find_spans(
                    self.reader,
                    part.table,
                    self.prepared.recipe.eval,
                    processes=self.setting.processes,
                    on_batch=lambda count: self._note(bar, count),
                    names=part_names(part),
                )
        except NonFiniteError as error:
            raise RunError(f"step {global_step}, evaluation: {error}") from error
        return self.setting.processes.on_main(
            lambda: self._score(global_step, part, spans, started)
        )

    def _note(self, bar: ProgressBar, count: int) -> None:
        bar.advance(count)
        signals = self.setting.signals
        if signals is not None and signals.stop:
            raise StoppedError("the evaluation was given up", signals.stop)

    def _score(
        self, global_step: int, part: Part, spans: TopSpans, started: float
    ) -> Mapping[str, Any]:
        found = score_spans(
            spans,
            part.examples,
            part.table,
            self.prepared.recipe.eval,
            with_null=self.prepared.with_null,
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
