"""What happens after a step of a run: evaluate, save, keep the best, write down the ranks."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from qarank.artifacts.atomic import writing
from qarank.artifacts.checkpoint import keep_newest
from qarank.artifacts.run_dir import RunDir
from qarank.engine.hooks import StepReport
from qarank.engine.tracking import Tracker
from qarank.ranks.allocator import AllocationRound


@dataclass(frozen=True)
class Milestones:
    """At which steps a run evaluates and saves; it does both after the last.

    Attributes:
        total_steps: T.
        eval_every: steps between evaluations; None: at the end only.
        save_every: steps between checkpoints; None: at the end only.
        first_final_step: from here on the budget is final, and an evaluation may be the best.
    """

    total_steps: int
    eval_every: int | None
    save_every: int | None
    first_final_step: int

    def is_evaluation(self, global_step: int) -> bool:
        """Whether the model after this step is evaluated."""
        return _is_due(global_step, self.eval_every, self.total_steps)

    def is_save(self, global_step: int) -> bool:
        """Whether the model after this step is saved."""
        return _is_due(global_step, self.save_every, self.total_steps)

    def is_candidate(self, global_step: int) -> bool:
        """Whether an evaluation here counts for the best checkpoint."""
        return global_step >= self.first_final_step


def _is_due(global_step: int, every: int | None, total_steps: int) -> bool:
    return global_step == total_steps or (every is not None and global_step % every == 0)


@dataclass
class Progress:
    """Where a run stands, for run.json and the model card.

    Attributes:
        metrics: of the latest evaluation.
        best_metrics: of the best evaluation at the final budget; empty before there is one.
        best_step: of the best evaluation at the final budget; None before there is one.
        best_value: what it scored.
        seconds: spent in optimizer steps.
        rows: features trained on.
        num_skipped: optimizer steps left out.
    """

    metrics: dict[str, Any] = field(default_factory=dict)
    best_metrics: dict[str, Any] = field(default_factory=dict)
    best_step: int | None = None
    best_value: float = float("-inf")
    seconds: float = 0.0
    rows: int = 0
    num_skipped: int = 0


class RunRecorder:
    """A listener of the training loop that evaluates and saves where it is due.

    Args:
        run_dir: where checkpoints go.
        milestones: when.
        evaluate: step -> metrics; None without evaluation data.
        save: writes the checkpoint of a step, with the metrics to show on its card.
        best_metric: the metric's key.
        keep_checkpoints: the newest kept, besides the best.
        tracker: told of each evaluation.
    """

    def __init__(
        self,
        run_dir: RunDir,
        *,
        milestones: Milestones,
        evaluate: Callable[[int], Mapping[str, Any]] | None,
        save: Callable[[int, Mapping[str, Any]], None],
        best_metric: str,
        keep_checkpoints: int,
        tracker: Tracker,
    ) -> None:
        self.run_dir, self.milestones, self.tracker = run_dir, milestones, tracker
        self.evaluate, self.save = evaluate, save
        self.best_metric, self.keep_checkpoints = best_metric, keep_checkpoints
        self.progress = Progress()

    def __call__(self, report: StepReport) -> None:
        """Count the step; evaluate and save if due."""
        progress, step = self.progress, report.global_step
        progress.seconds += report.seconds
        progress.rows += report.num_rows
        progress.num_skipped += report.skipped
        found: dict[str, Any] = {}  # what this very step scored
        is_best = False
        if self.evaluate is not None and self.milestones.is_evaluation(step):
            found = progress.metrics = dict(self.evaluate(step))
            self.tracker.log(step, _numbers(found))
            is_best = self._note_best(step)
        if is_best or self.milestones.is_save(step):
            self.save(step, found)
            self._drop_old()

    def _note_best(self, step: int) -> bool:
        value = float(self.progress.metrics[self.best_metric])
        if not self.milestones.is_candidate(step) or value <= self.progress.best_value:
            return False
        self.progress.best_step, self.progress.best_value = step, value
        self.progress.best_metrics = self.progress.metrics
        return True

    def _drop_old(self) -> None:
        best = self.progress.best_step
        always = None if best is None else self.run_dir.checkpoint_dir(best)
        keep_newest(self.run_dir.checkpoints(), self.keep_checkpoints, always=always)


class RankRecorder:
    """Writes each round to ranks.jsonl and TensorBoard, with the original's tags.

    Args:
        run_dir: whose ranks.jsonl grows.
        tracker: for TensorBoard.
        costs: path -> parameters of one triplet, for Budget/sum_param.
    """

    def __init__(self, run_dir: RunDir, tracker: Tracker, costs: Mapping[str, int]) -> None:
        self.run_dir, self.tracker, self.costs = run_dir, tracker, costs
        self.num_revived = 0

    def __call__(self, decided: AllocationRound) -> None:
        """Note a round."""
        self.num_revived += decided.revived
        path = self.run_dir.ranks_path
        with writing(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(decided)) + "\n")
        values = {f"Ranknum/{path}": float(rank) for path, rank in decided.ranks.items()}
        values["Budget/total_rank"] = float(decided.budget)
        values["Budget/sum_param"] = float(
            sum(rank * self.costs[path] for path, rank in decided.ranks.items())
        )
        if decided.threshold is not None:
            values["Budget/mask_threshold"] = decided.threshold
        self.tracker.log_events(decided.global_step, values)


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {f"eval/{key}": float(value) for key, value in metrics.items()}
