"""One training run from its first step, or the one after a checkpoint, to its last."""

import signal
from typing import Any, NoReturn

from qarank.adapters.orthogonality import penalty_by_matrix
from qarank.artifacts.run_dir import RunDir
from qarank.engine.generators import seed_process
from qarank.engine.hooks import StepReport
from qarank.engine.progress import ProgressBar
from qarank.engine.signals import Requests
from qarank.engine.tracking import MetricSink, StepLogger
from qarank.errors import NonFiniteError, StoppedError
from qarank.ranks.protocol import AllocationRound
from qarank.workflows.announce import announce_estimate
from qarank.workflows.build import (
    Setting,
    build_allocator,
    build_model,
    build_reader,
    build_trainer,
    plan_milestones,
)
from qarank.workflows.checkpointer import Checkpointer, SavedState
from qarank.workflows.evaluator import Evaluator, metric_key
from qarank.workflows.hparams import FIGURES, list_hparams, pick_figures
from qarank.workflows.prepare import Prepared
from qarank.workflows.recorder import Progress, RankRecorder, RunRecorder
from qarank.workflows.rehearsal import estimate_run
from qarank.workflows.spent import Spent
from qarank.workflows.verify import check_allocation, check_reloaded, check_steps


class TrainingSession:
    """The parts of one run, wired together.

    Every process of the run has one; what it writes, the main process's writes alone.

    Args:
        prepared: data, configuration and plan.
        run_dir: claimed, and locked by the main process.
        tracker: open; one that writes nothing on the other processes.
        setting: device, precision, processes and signals.
        show_progress: draw bars where stderr is a terminal.
    """

    def __init__(
        self,
        prepared: Prepared,
        run_dir: RunDir,
        tracker: MetricSink,
        setting: Setting,
        *,
        show_progress: bool = False,
    ) -> None:
        self.prepared, self.run_dir, self.tracker = prepared, run_dir, tracker
        self.setting, self.processes, self.spent = setting, setting.processes, Spent(setting.device)
        self.recipe, self.plan = prepared.recipe, prepared.plan
        self.show_progress = show_progress and self.processes.is_main
        self.model, self.layers = build_model(prepared, setting)
        self.rank_recorder = self._build_rank_recorder()
        self.allocator = build_allocator(prepared, self.layers, on_round=self._on_round)
        self.trainer = build_trainer(
            prepared, self.model, self.layers, setting, allocator=self.allocator
        )
        self.evaluator = Evaluator(
            prepared, self.model, run_dir, setting, show_progress=self.show_progress
        )
        self.checkpointer = Checkpointer(
            prepared,
            run_dir,
            tracker,
            self.trainer,
            self.layers,
            self.allocator,
            describe_counts=self._describe_counts,
            describe_manner=self.evaluator.manner_at,
        )
        self.logger = StepLogger(
            tracker,
            log_every=self.recipe.train.log_every,
            total_steps=self.plan.total_steps,
            penalty_weight=self.recipe.adapter.effective_orth_reg_weight,
        )
        self.recorder = self._build_recorder()
        self.first_step, self.is_settled = 1, True  # settled: what is due before it has been done
        seed_process(self.recipe.seed, self.processes.world.global_rank)

    def restore(self, saved: SavedState) -> None:
        """Go on from a checkpoint as if never stopped.

        Raises:
            CheckpointError: it is another model's.
        """
        facts = saved.facts
        self.checkpointer.restore(saved)
        self.logger.load_state_dict(facts["logger"])
        self.recorder.progress = Progress.from_state(facts["progress"])
        if self.processes.on_main(self.recorder.has_lost_best):
            self.recorder.forget_best()
        self.rank_recorder.num_revived = facts["num_revived"]
        self.spent.load_state_dict(facts.get("spent", {}))
        self.first_step, self.is_settled = facts["global_step"] + 1, facts["is_settled"]

    def estimate(self) -> dict[str, Any]:
        """Rehearse a few steps: what is left to do will take so long; told, and for run.json."""
        found = estimate_run(
            self.trainer,
            self.prepared,
            world_size=self.processes.world.world_size,
            first_step=self.first_step,
        )
        if self.processes.is_main:
            announce_estimate(found)
        return found.to_dict()

    def run(self) -> dict[str, Any]:
        """Train to the end, check what came out, and sum it up.

        Raises:
            StoppedError: a signal asked for it; a checkpoint has been written.
            RunError: the run cannot go on.
        """
        if self.allocator is not None and self.first_step == 1:
            self.allocator.before_training()
        self.tracker.start_hparams(list_hparams(self.recipe, self.plan), FIGURES)
        try:
            self._fit()
        except NonFiniteError:
            self.checkpointer.save_held()
            raise
        total, figures = self.plan.total_steps, pick_figures(self.recorder.progress.best_metrics)
        check_allocation(self.plan, self.allocator)
        check_steps(total, self.trainer.num_skipped)
        difference = self.processes.on_main(self._compare_reloaded)
        self.tracker.log_hparams(total, list_hparams(self.recipe, self.plan), figures)
        return self._sum_up(difference)

    def _fit(self) -> None:
        self.trainer.held_step = self.first_step - 1
        if not self.is_settled:
            self._settle(self.first_step - 1)
        self.recorder.drop_old()  # a run killed right after a save left them
        with ProgressBar("train", self.plan.total_steps, shown=self.show_progress) as bar:
            self.trainer.fit(
                [self.logger, self._log_penalties, bar.on_step, self._after_step],
                first_step=self.first_step,
                on_request=self._on_request,
            )

    def _after_step(self, report: StepReport) -> None:
        self.recorder.count(report)
        self._settle(report.global_step)

    def _settle(self, global_step: int) -> None:
        """Evaluate and save what is due; an evaluation that a signal ends is done on resuming."""
        try:
            self.recorder.settle(global_step)
        except StoppedError as error:
            self._stop(global_step, error.exit_code - 128, is_settled=False)

    def _before_save(self, global_step: int) -> None:
        if self.prepared.threshold is not None:
            self.evaluator.threshold_at(global_step)  # what is saved can be used without tuning
        if self.allocator is not None:
            self.rank_recorder.draw(global_step, self.layers)

    def _on_request(self, global_step: int, asked: Requests) -> None:
        if asked.stop and global_step < self.plan.total_steps:  # else there is nothing left to do
            self._stop(global_step, asked.stop)
        self.checkpointer.save_extra(global_step)

    def _stop(self, global_step: int, number: int, *, is_settled: bool = True) -> NoReturn:
        folder = self.checkpointer.save_extra(global_step, is_settled=is_settled)
        raise StoppedError(
            f"stopped by {signal.Signals(number).name} after step {global_step} of "
            f"{self.plan.total_steps}; saved as {folder}",
            number,
        )

    def _on_round(self, decided: AllocationRound) -> None:
        self.processes.require_agreement(
            decided.mask_hash, what=f"step {decided.global_step}: the choice of triplets"
        )
        self.rank_recorder(decided)

    def _log_penalties(self, report: StepReport) -> None:
        """How far each matrix is from orthogonal, where a line of metrics is due."""
        due = self.logger.is_due(report.global_step)
        if due and self.processes.is_main and self.recipe.adapter.type == "svd":
            penalties = penalty_by_matrix(self.layers)
            values = {f"Orth_regu_loss/{name}": value for name, value in penalties.items()}
            self.tracker.log_events(report.global_step, values)

    def _describe_counts(self) -> dict[str, Any]:
        return {
            "logger": self.logger.state_dict(),
            "progress": self.recorder.progress.state_dict(),
            "num_revived": self.rank_recorder.num_revived,
            "spent": self.spent.state_dict(),
        }

    def _build_rank_recorder(self) -> RankRecorder:
        costs = {path: sum(shape) for path, shape in self.plan.matrices.items()}
        return RankRecorder(
            self.run_dir,
            self.tracker,
            costs,
            r=self.recipe.adapter.r,
            writes=self.processes.is_main,
        )

    def _build_recorder(self) -> RunRecorder:
        return RunRecorder(
            self.run_dir,
            milestones=plan_milestones(self.plan),
            evaluate=None if self.prepared.validation is None else self.evaluator,
            before_save=self._before_save,
            save=self.checkpointer.save,
            best_metric=metric_key(self.recipe.eval.best_metric, self.prepared.with_null),
            keep_checkpoints=self.recipe.train.keep_checkpoints,
            tracker=self.tracker,
            writes=self.processes.is_main,
        )

    def _compare_reloaded(self) -> float:
        return check_reloaded(
            self.run_dir.checkpoint_dir(self.plan.total_steps),
            self.prepared,
            build_reader(self.prepared, self.model, self.setting),
            self.setting.precision,
        )

    def _sum_up(self, difference: float) -> dict[str, Any]:
        progress, total = self.recorder.progress, self.plan.total_steps
        return {
            "checkpoint": self.run_dir.checkpoint_dir(total).name,
            "best_checkpoint": self.run_dir.checkpoint_dir(progress.best_step or total).name,
            "metrics": progress.best_metrics,  # of the checkpoint that RUN stands for
            "last_metrics": progress.metrics,
            "ranks": {path: layer.rank for path, layer in self.layers.items()},
            "num_rounds": 0 if self.allocator is None else self.allocator.num_rounds,
            "num_revived": self.rank_recorder.num_revived,
            "num_skipped": progress.num_skipped,
            "train_s": progress.seconds,
            "features_per_s": progress.rows / progress.seconds,
            "total_s": self.spent.total_s,
            "peak_bytes": max(self.processes.gather(self.spent.peak_bytes)),
            "reload_difference": difference,
        }
