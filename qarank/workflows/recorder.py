"""What happens after a step of a run: evaluate, save, keep the best, write down the ranks."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from qarank.adapters.layer import AdaptedLinear
from qarank.artifacts.atomic import writing
from qarank.artifacts.checkpoint import keep_newest, verify_checkpoint
from qarank.artifacts.run_dir import RunDir, step_of
from qarank.engine.hooks import StepReport
from qarank.engine.tracking import MetricSink
from qarank.errors import CheckpointError
from qarank.ranks.protocol import AllocationRound
from qarank.report.rank_map import draw_rank_map

LOG = logging.getLogger("qarank")


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

    def is_any(self, global_step: int) -> bool:
        """Whether something is evaluated or saved after this step."""
        return self.is_evaluation(global_step) or self.is_save(global_step)

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
        saved_steps: of the checkpoints that the recipe asked for; those a signal asked for are not
            kept once a later one is there.
    """

    metrics: dict[str, Any] = field(default_factory=dict)
    best_metrics: dict[str, Any] = field(default_factory=dict)
    best_step: int | None = None
    best_value: float = float("-inf")
    seconds: float = 0.0
    rows: int = 0
    num_skipped: int = 0
    saved_steps: list[int] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        """As JSON takes it and gives it back."""
        return {**asdict(self), "best_value": None if self.best_step is None else self.best_value}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Progress":
        """Go on as if never stopped."""
        best_value = float("-inf") if state["best_value"] is None else state["best_value"]
        return cls(**{**state, "best_value": best_value})


class RunRecorder:
    """Evaluates and saves where it is due.

    Args:
        run_dir: where checkpoints go.
        milestones: when.
        evaluate: step -> metrics; None without evaluation data.
        save: writes the checkpoint of a step, with the metrics to show on its card.
        best_metric: the metric's key.
        keep_checkpoints: the newest kept, besides the best.
        tracker: told of each evaluation.
        before_save: told of a step that is evaluated or saved, after the one and before the other;
            a checkpoint stands for all that was written before it.
        writes: whether this process deletes old checkpoints; one does.
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
        tracker: MetricSink,
        before_save: Callable[[int], None] = lambda _: None,
        writes: bool = True,
    ) -> None:
        self.run_dir, self.milestones, self.tracker = run_dir, milestones, tracker
        self.writes = writes
        self.evaluate, self.before_save, self.save = evaluate, before_save, save
        self.best_metric, self.keep_checkpoints = best_metric, keep_checkpoints
        self.progress = Progress()

    def count(self, report: StepReport) -> None:
        """Note what a step took."""
        self.progress.seconds += report.seconds
        self.progress.rows += report.num_rows
        self.progress.num_skipped += report.skipped

    def settle(self, step: int) -> None:
        """Evaluate and save what is due after a step."""
        progress = self.progress
        found: dict[str, Any] = {}  # what this very step scored
        is_best = False
        if self.evaluate is not None and self.milestones.is_evaluation(step):
            found = progress.metrics = dict(self.evaluate(step))
            self.tracker.log(step, _numbers(found))
            is_best = self._note_best(step)
        if self.milestones.is_any(step):
            self.before_save(step)
        if is_best or self.milestones.is_save(step):
            progress.saved_steps.append(step)
            self.save(step, found)
            self.drop_old()

    def drop_old(self) -> None:
        """Delete the checkpoints that are not to be kept; nothing to do right after it was done."""
        if not self.writes:
            return
        best = self.progress.best_step
        always = None if best is None else self.run_dir.checkpoint_dir(best)
        keep_newest(
            self.run_dir.checkpoints(),
            self.keep_checkpoints,
            always=always,
            is_regular=lambda folder: step_of(folder) in self.progress.saved_steps,
        )

    def has_lost_best(self) -> bool:
        """After a fall back to an older checkpoint: a later best one may have replaced its best."""
        best = self.progress.best_step
        if best is None:
            return False
        try:
            verify_checkpoint(self.run_dir.checkpoint_dir(best))
        except CheckpointError as error:
            LOG.warning("%s; the best checkpoint is chosen among those to come", error)
            return True
        return False

    def forget_best(self) -> None:
        """Choose the best checkpoint anew, from here on."""
        self.progress.best_step, self.progress.best_value = None, float("-inf")
        self.progress.best_metrics = {}

    def _note_best(self, step: int) -> bool:
        value = float(self.progress.metrics[self.best_metric])
        if not self.milestones.is_candidate(step) or value <= self.progress.best_value:
            return False
        self.progress.best_step, self.progress.best_value = step, value
        self.progress.best_metrics = self.progress.metrics
        return True


class RankRecorder:
    """Writes each round to ranks.jsonl and TensorBoard, with the original's tags.

    Args:
        run_dir: whose ranks.jsonl grows.
        tracker: for TensorBoard.
        costs: path -> parameters of one triplet, for Budget/sum_param.
        r: triplets a matrix starts with, the top of the map's scale.
        writes: whether this process writes ranks.jsonl; one does.
    """

    def __init__(
        self,
        run_dir: RunDir,
        tracker: MetricSink,
        costs: Mapping[str, int],
        *,
        r: int,
        writes: bool = True,
    ) -> None:
        self.run_dir, self.tracker, self.costs = run_dir, tracker, costs
        self.r, self.writes = r, writes
        self.num_revived = 0

    def __call__(self, decided: AllocationRound) -> None:
        """Note a round."""
        self.num_revived += decided.revived
        if not self.writes:
            return
        path = self.run_dir.ranks_path
        with writing(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(decided)) + "\n")
        values = {f"Ranknum/{path}": float(rank) for path, rank in decided.ranks.items()}
        values["Budget/total_rank"] = float(sum(decided.ranks.values()))
        values["Budget/sum_param"] = float(
            sum(rank * self.costs[path] for path, rank in decided.ranks.items())
        )
        if decided.threshold is not None:
            values["Budget/mask_threshold"] = decided.threshold
        self.tracker.log_events(decided.global_step, values)

    def draw(self, global_step: int, layers: Mapping[str, AdaptedLinear]) -> None:
        """A picture of the ranks kept, for TensorBoard."""
        if self.writes:
            ranks = {path: layer.rank for path, layer in layers.items()}
            title = f"ranks kept after step {global_step}: {sum(ranks.values())} triplets"
            self.tracker.log_image(
                global_step, "Ranks", draw_rank_map(ranks, r=self.r, title=title)
            )


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {f"eval/{key}": float(value) for key, value in metrics.items()}
