"""One training run's parts, wired together: model, allocator, loop, recorder."""

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from qarank.adapters.layer import AdaptedLinear
from qarank.artifacts.evaluation import write_evaluation
from qarank.artifacts.run_dir import RunDir
from qarank.engine.loop import LoopSettings, Trainer
from qarank.engine.optim import build_optimizer, learning_rate_factor
from qarank.engine.precision import Precision
from qarank.engine.progress import ProgressBar
from qarank.engine.tracking import StepLogger, Tracker
from qarank.ranks.allocator import RankAllocator
from qarank.ranks.importance import ImportanceTracker, TripletMetric
from qarank.squad.step_data import TrainBatches
from qarank.workflows.adapt import adapt_model, autocast_for, build_penalty, cast_frozen
from qarank.workflows.model import enable_checkpointing, load_base_model
from qarank.workflows.objective import sum_span_losses
from qarank.workflows.prepare import Prepared
from qarank.workflows.recorder import Milestones, RankRecorder, RunRecorder
from qarank.workflows.save import optimizer_tensors, save_checkpoint
from qarank.workflows.scoring import Reader, evaluate_reader
from qarank.workflows.verify import check_allocation, check_reloaded, check_steps


class TrainingSession:
    """The parts of one run, wired together.

    Args:
        prepared: data, configuration and plan.
        run_dir: claimed and locked.
        tracker: open.
        device: to train on.
        precision: of the frozen base.
        show_progress: draw bars where stderr is a terminal.
    """

    def __init__(
        self,
        prepared: Prepared,
        run_dir: RunDir,
        tracker: Tracker,
        device: torch.device,
        precision: Precision,
        *,
        show_progress: bool = False,
    ) -> None:
        self.show_progress = show_progress
        self.prepared, self.run_dir, self.tracker = prepared, run_dir, tracker
        self.recipe, self.plan = prepared.recipe, prepared.plan
        self.device, self.precision = device, precision
        self.model, self.layers = self._build_model()
        self.allocator, self.rank_recorder = self._build_allocator()
        self.trainer = self._build_trainer()
        self.recorder = self._build_recorder()

    def run(self) -> dict[str, Any]:
        """Train to the end, check what came out, and sum it up."""
        started = time.perf_counter()
        total = self.plan.total_steps
        logger = StepLogger(self.tracker, log_every=self.recipe.train.log_every, total_steps=total)
        torch.manual_seed(self.recipe.seed)
        with ProgressBar("train", total, shown=self.show_progress) as bar:
            self.trainer.fit([logger, bar.on_step, self.recorder])
        checkpoint = self.run_dir.checkpoint_dir(total)
        check_allocation(self.plan, self.allocator)
        check_steps(total, self.trainer.num_skipped)
        difference = check_reloaded(checkpoint, self.prepared, self.reader(), self.precision)
        return self._sum_up(time.perf_counter() - started, difference)

    def reader(self) -> Reader:
        """The model in training, as evaluations use it."""
        tokenizer = self.prepared.tokenizer
        return Reader(
            self.model,
            self.device,
            pad_token_id=tokenizer.pad_token_id,
            padding_side=tokenizer.padding_side,
            autocast=autocast_for(self.recipe.adapter, self.precision, self.device),
        )

    def _build_model(self) -> tuple[nn.Module, dict[str, AdaptedLinear]]:
        recipe, prepared = self.recipe, self.prepared
        model = load_base_model(prepared.source, prepared.config, seed=recipe.seed)
        layers = adapt_model(model, list(self.plan.matrices), recipe.adapter, seed=recipe.seed)
        if layers:
            cast_frozen(model, self.precision)
        if recipe.train.compile:
            model.compile(dynamic=True)
        if recipe.train.gradient_checkpointing:
            enable_checkpointing(model)
        return model.to(self.device), layers

    def _build_allocator(self) -> tuple[RankAllocator | None, RankRecorder]:
        costs = {path: sum(shape) for path, shape in self.plan.matrices.items()}
        rank_recorder = RankRecorder(self.run_dir, self.tracker, costs)
        if self.plan.schedule is None:
            return None, rank_recorder
        settings = self.recipe.allocator
        importance = ImportanceTracker(
            self.layers,
            metric=TripletMetric.from_tokens(settings.metric_for(self.recipe.adapter.type)),
            beta1=settings.beta1,
            beta2=settings.beta2,
        )
        allocator = RankAllocator(
            self.layers,
            schedule=self.plan.schedule,
            importance=importance,
            on_round=rank_recorder,
        )
        return allocator, rank_recorder

    def _build_trainer(self) -> Trainer:
        settings, tokenizer = self.recipe.train, self.prepared.tokenizer
        data = TrainBatches(
            self.prepared.train.table,
            batch_size=settings.batch_size,
            seed=self.recipe.seed,
            group_by_length=settings.group_by_length,
            pad_token_id=tokenizer.pad_token_id,
            padding_side=tokenizer.padding_side,
        )
        trained = [p for p in self.model.parameters() if p.requires_grad]
        optimizer = build_optimizer(
            trained, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay
        )
        loop = LoopSettings(
            total_steps=self.plan.total_steps,
            micro_batch_size=settings.micro_batch_size or settings.batch_size,
            max_grad_norm=settings.max_grad_norm,
            autocast=autocast_for(self.recipe.adapter, self.precision, self.device),
            loss_scaling=self.precision == "fp16",
        )
        return Trainer(
            self.model,
            data=data,
            loss=sum_span_losses,
            optimizer=optimizer,
            learning_rate=self._learning_rate,
            settings=loop,
            penalty=build_penalty(self.layers, self.recipe.adapter.effective_orth_reg_weight),
            hooks=[] if self.allocator is None else [self.allocator],
        )

    def _learning_rate(self, global_step: int) -> float:
        settings = self.recipe.train
        return settings.learning_rate * learning_rate_factor(
            global_step,
            total_steps=self.plan.total_steps,
            warmup_steps=self.plan.warmup_steps,
            schedule=settings.schedule,
        )

    def _build_recorder(self) -> RunRecorder:
        schedule = self.plan.schedule
        milestones = Milestones(
            total_steps=self.plan.total_steps,
            eval_every=self.plan.eval_every,
            save_every=self.plan.save_every,
            first_final_step=0 if schedule is None else schedule.final_step,
        )
        return RunRecorder(
            self.run_dir,
            milestones=milestones,
            evaluate=None if self.prepared.validation is None else self._evaluate,
            save=self._save,
            best_metric=metric_key(self.recipe.eval.best_metric, self.prepared.with_null),
            keep_checkpoints=self.recipe.train.keep_checkpoints,
            tracker=self.tracker,
        )

    def _evaluate(self, global_step: int) -> Mapping[str, Any]:
        part = self.prepared.validation
        assert part is not None  # no evaluation is due without
        with ProgressBar("evaluate", len(part.table), shown=self.show_progress) as bar:
            found = evaluate_reader(
                self.reader(),
                part.examples,
                part.table,
                self.recipe.eval,
                with_null=self.prepared.with_null,
                on_batch=bar.advance,
            )
        checkpoint = self.run_dir.checkpoint_dir(global_step).name
        write_evaluation(
            self.run_dir.eval_dir(checkpoint, part.label),
            metrics=found.metrics,
            predictions=found.decoded.predictions,
            nbest=found.decoded.nbest,
            null_odds=found.decoded.null_odds,
        )
        return found.metrics

    def _save(self, global_step: int, metrics: Mapping[str, Any]) -> None:
        state = optimizer_tensors(self.model, self.trainer.optimizer)
        state["generator.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            state["generator.cuda"] = torch.cuda.get_rng_state(self.device)
        if self.allocator is not None:
            of_allocator = self.allocator.state_dict()
            state |= {f"allocator.{name}": tensor for name, tensor in of_allocator.items()}
        facts = {
            "global_step": global_step,
            "total_steps": self.plan.total_steps,
            "num_skipped": self.trainer.num_skipped,
            "scaler": self.trainer.scaler.state_dict(),
            "best_step": self.recorder.progress.best_step,
            "best_metrics": self.recorder.progress.best_metrics,
            "metrics": dict(metrics),
        }
        save_checkpoint(
            self.run_dir.checkpoint_dir(global_step),
            self.model,
            self.layers,
            recipe=self.recipe,
            tokenizer=self.prepared.tokenizer,
            state=state,
            facts=facts,
        )

    def _sum_up(self, seconds: float, difference: float) -> dict[str, Any]:
        progress = self.recorder.progress
        last = self.run_dir.checkpoint_dir(self.plan.total_steps).name
        best = progress.best_step
        return {
            "checkpoint": last,
            "best_checkpoint": last if best is None else self.run_dir.checkpoint_dir(best).name,
            "metrics": progress.best_metrics,  # of the checkpoint that RUN stands for
            "last_metrics": progress.metrics,
            "ranks": {path: layer.rank for path, layer in self.layers.items()},
            "num_rounds": 0 if self.allocator is None else self.allocator.num_rounds,
            "num_revived": self.rank_recorder.num_revived,
            "num_skipped": progress.num_skipped,
            "train_s": progress.seconds,
            "features_per_s": progress.rows / progress.seconds,
            "total_s": seconds,
            "reload_difference": difference,
        }


def metric_key(best_metric: str, with_null: bool) -> str:
    """SQuAD v1.1's script calls exact match exact_match, v2.0's exact."""
    return "exact_match" if best_metric == "exact" and not with_null else best_metric
