"""Makes a run's parts of what was prepared: model, allocator, training loop, reader."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from qarank.adapters.layer import AdaptedLinear
from qarank.config.schema import Recipe
from qarank.engine.distributed import ALONE, Processes
from qarank.engine.loop import LoopSettings, Trainer
from qarank.engine.optim import build_optimizer, learning_rate_factor
from qarank.engine.precision import Precision
from qarank.engine.signals import SignalRequests
from qarank.ranks.allocator import RankAllocator
from qarank.ranks.importance import ImportanceTracker
from qarank.ranks.metric import TripletMetric
from qarank.ranks.norm import NormScorer
from qarank.ranks.pattern import PatternAllocator
from qarank.ranks.protocol import AllocationRound, Allocator, TripletScorer
from qarank.ranks.random_scores import RandomScorer
from qarank.ranks.selection import Pool
from qarank.squad.step_data import TrainBatches
from qarank.workflows.adapt import adapt_model, autocast_for, build_penalty, cast_frozen
from qarank.workflows.model import enable_checkpointing, load_base_model
from qarank.workflows.objective import sum_span_losses
from qarank.workflows.preflight import Plan
from qarank.workflows.prepare import Prepared
from qarank.workflows.reading import Reader
from qarank.workflows.recorder import Milestones


@dataclass(frozen=True)
class Setting:
    """What a run runs on.

    Attributes:
        device: of this process.
        precision: of the frozen base.
        processes: that share each batch.
        signals: ask to stop or to save; None asks for nothing.
    """

    device: torch.device
    precision: Precision
    processes: Processes = ALONE
    signals: SignalRequests | None = None


def build_model(prepared: Prepared, setting: Setting) -> tuple[nn.Module, dict[str, AdaptedLinear]]:
    """The recipe's model on its device, and path -> adapter; the same on each process."""
    recipe = prepared.recipe
    model = load_base_model(prepared.source, prepared.config, seed=recipe.seed)
    layers = adapt_model(model, list(prepared.plan.matrices), recipe.adapter, seed=recipe.seed)
    if layers:
        cast_frozen(model, setting.precision)
    if recipe.train.compile:
        model.compile(dynamic=True)
    if recipe.train.gradient_checkpointing:
        enable_checkpointing(model)
    model.to(setting.device)
    trained = [p for p in model.parameters() if p.requires_grad]
    setting.processes.take_from_main([parameter.data for parameter in trained])
    return model, layers


def build_allocator(
    prepared: Prepared,
    layers: Mapping[str, AdaptedLinear],
    *,
    on_round: Callable[[AllocationRound], None] = lambda _: None,
) -> Allocator | None:
    """The recipe's allocator; None without one."""
    plan = prepared.plan
    if plan.pattern is not None:
        budget = plan.pool.spend(list(plan.pattern.values()))
        return PatternAllocator(layers, plan.pattern, budget=budget, on_round=on_round)
    if plan.schedule is None:
        return None
    scorer = build_scorer(prepared.recipe, layers, plan.pool)
    return RankAllocator(
        layers, schedule=plan.schedule, scorer=scorer, pool=plan.pool, on_round=on_round
    )


def build_scorer(recipe: Recipe, layers: Mapping[str, AdaptedLinear], pool: Pool) -> TripletScorer:
    """What the recipe's allocator goes by."""
    settings = recipe.allocator
    if settings.type == "norm":
        return NormScorer(layers)
    if settings.type == "random":
        return RandomScorer(pool.triplet_costs(), seed=recipe.seed)
    return ImportanceTracker(
        layers,
        metric=TripletMetric.from_tokens(settings.metric_for(recipe.adapter.type)),
        beta1=settings.beta1,
        beta2=settings.beta2,
    )


def build_trainer(
    prepared: Prepared,
    model: nn.Module,
    layers: Mapping[str, AdaptedLinear],
    setting: Setting,
    *,
    allocator: Allocator | None = None,
) -> Trainer:
    """The training loop over the recipe's data, optimizer and penalty."""
    recipe, plan = prepared.recipe, prepared.plan
    trained = [p for p in model.parameters() if p.requires_grad]
    return Trainer(
        model,
        data=build_batches(prepared),
        loss=sum_span_losses,
        optimizer=build_optimizer(
            trained,
            learning_rate=recipe.train.learning_rate,
            weight_decay=recipe.train.weight_decay,
            ratios={
                layer.lora_E: recipe.train.learning_rate_ratio_E
                for layer in layers.values()
                if layer.lora_E is not None
            },
        ),
        learning_rate=lambda global_step: (
            recipe.train.learning_rate
            * learning_rate_factor(
                global_step,
                total_steps=plan.total_steps,
                warmup_steps=plan.warmup_steps,
                schedule=recipe.train.schedule,
            )
        ),
        settings=LoopSettings(
            total_steps=plan.total_steps,
            micro_batch_size=recipe.train.micro_batch_size or recipe.train.batch_size,
            max_grad_norm=recipe.train.max_grad_norm,
            autocast=autocast_for(
                setting.precision, setting.device, adapted=recipe.adapter.type != "none"
            ),
            loss_scaling=setting.precision == "fp16",
        ),
        penalty=build_penalty(layers, recipe.adapter.effective_orth_reg_weight),
        hooks=[] if allocator is None else [allocator],
        processes=setting.processes,
        signals=setting.signals,
    )


def plan_milestones(plan: Plan) -> Milestones:
    """When a run evaluates and saves, and from when on an evaluation may be the best."""
    return Milestones(
        total_steps=plan.total_steps,
        eval_every=plan.eval_every,
        save_every=plan.save_every,
        first_final_step=0 if plan.schedule is None else plan.schedule.final_step,
    )


def build_batches(prepared: Prepared) -> TrainBatches:
    """The recipe's training batches by step."""
    settings, part = prepared.recipe.train, prepared.train
    return TrainBatches(
        part.table,
        example_ids=[example.id for example in part.examples],
        batch_size=settings.batch_size,
        seed=prepared.recipe.seed,
        group_by_length=settings.group_by_length,
        pad_token_id=prepared.tokenizer.pad_token_id,
        padding_side=prepared.tokenizer.padding_side,
    )


def build_reader(prepared: Prepared, model: nn.Module, setting: Setting) -> Reader:
    """A model as evaluations use it."""
    return Reader(
        model,
        setting.device,
        pad_token_id=prepared.tokenizer.pad_token_id,
        padding_side=prepared.tokenizer.padding_side,
        autocast=autocast_for(
            setting.precision, setting.device, adapted=prepared.recipe.adapter.type != "none"
        ),
    )
