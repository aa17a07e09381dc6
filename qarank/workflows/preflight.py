"""What a run will be, told before anything long: steps, schedule, parameters.

A pure function of the model's configuration, the number of features and the recipe.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn
from transformers import PretrainedConfig

from qarank.adapters.inject import linear_paths
from qarank.adapters.targets import resolve_targets
from qarank.config.rank_schema import SCORING
from qarank.config.schema import Recipe, resolve_steps
from qarank.errors import AdapterError, ScheduleError
from qarank.ranks.schedule import BudgetSchedule
from qarank.ranks.selection import Pool
from qarank.workflows.budget import Ranks, plan_pattern, plan_pool, plan_schedule
from qarank.workflows.model import HEAD, build_meta_model

SHOWN_ROUNDS = 8


@dataclass(frozen=True)
class Group:
    """Parameters that train, of one kind.

    Attributes:
        name: the adapted paths with * for the layer, `head`, or `base` where everything trains.
        matrices: how many are adapted; None for the head and the base.
        parameters: that train, at the start.
    """

    name: str
    matrices: int | None
    parameters: int


@dataclass(frozen=True)
class Plan:
    """A run's numbers.

    Attributes:
        num_features: training features.
        steps_per_epoch: optimizer steps of an epoch, the last smaller batch kept.
        total_steps: T.
        warmup_steps: of linear warm-up.
        eval_every: steps between evaluations; None: at the end only.
        save_every: steps between checkpoints; None: at the end only.
        matrices: full path -> (in_features, out_features), of the adapted linears.
        base_parameters: of the pretrained model with its head.
        adapter_parameters: of the adapters at the start.
        head_parameters: of the head.
        trained_parameters: all that train.
        groups: the same by kind.
        pool: the triplets at the start, and what each takes from the budget.
        schedule: of the budget; None without rounds.
        pattern: path -> the rank it is given before training; None where it is not.
    """

    num_features: int
    steps_per_epoch: int
    total_steps: int
    warmup_steps: int
    eval_every: int | None
    save_every: int | None
    matrices: dict[str, tuple[int, int]]
    base_parameters: int
    adapter_parameters: int
    head_parameters: int
    trained_parameters: int
    groups: tuple[Group, ...]
    pool: Pool
    schedule: BudgetSchedule | None
    pattern: dict[str, int] | None = None

    @property
    def parameters_per_rank(self) -> int:
        """Parameters that one more rank in every matrix costs, scalars E not counted."""
        return sum(sum(shape) for shape in self.matrices.values())

    @property
    def targets(self) -> dict[str, int]:
        """The adapted paths with * for the layer -> how many there are."""
        return dict(Counter(_kind(path) for path in self.matrices))

    @property
    def shown_rounds(self) -> list[dict[str, int | float]]:
        """A few of the budget's rounds, first and last among them; none without an allocator."""
        if self.schedule is None:
            return []
        return [
            {
                "step": step,
                "epoch": step / self.steps_per_epoch,
                "budget": self.schedule.budget_at(step),
                "mean_rank": self.schedule.budget_at(step) / sum(self.pool.costs),
            }
            for step in pick_evenly(self.schedule.rounds(), SHOWN_ROUNDS)
        ]

    def to_dict(self) -> dict[str, Any]:
        """For run.json and --json; the schedule with its rounds counted and a few of them."""
        plan = asdict(self)
        plan["matrices"] = {path: list(shape) for path, shape in self.matrices.items()}
        del plan["pool"]  # r, a cost a matrix: the recipe and `matrices` say it
        plan["groups"] = [asdict(group) for group in self.groups]
        plan["targets"] = self.targets
        plan["parameters_per_rank"] = self.parameters_per_rank
        if self.schedule is not None:
            plan["schedule"]["num_rounds"] = len(self.schedule.rounds())
            plan["schedule"]["shown_rounds"] = self.shown_rounds
        return plan


def pick_evenly(items: Sequence[int], most: int) -> list[int]:
    """At most `most` items, 2 or more: the first, the last, and evenly spread between them."""
    if len(items) <= most:
        return list(items)
    last = len(items) - 1
    return [items[round(place * last / (most - 1))] for place in range(most)]


def plan_run(
    config: PretrainedConfig, num_features: int, recipe: Recipe, *, noted_ranks: Ranks | None = None
) -> Plan:
    """Work out a run, or say why it cannot be; `noted_ranks` as in `plan_pattern`.

    Raises:
        AdapterError: targets match nothing, or r does not fit a matrix.
        ScheduleError: the budget schedule does not fit the run's steps.
    """
    model = build_meta_model(config, trust_remote_code=recipe.model.trust_remote_code)
    matrices = find_matrices(model, config.model_type, recipe)
    per_epoch = math.ceil(num_features / recipe.train.batch_size)
    total_steps = count_steps(recipe, per_epoch)
    warmup_steps = _plan_warmup(recipe, total_steps)
    head = sum(parameter.numel() for parameter in model.get_submodule(HEAD).parameters())
    base = sum(parameter.numel() for parameter in model.parameters())
    groups = _group_parameters(recipe, matrices, head, base)
    pool = plan_pool(recipe, matrices)
    return Plan(
        num_features=num_features,
        steps_per_epoch=per_epoch,
        total_steps=total_steps,
        warmup_steps=warmup_steps,
        eval_every=_period(recipe.eval.every, total_steps),
        save_every=_period(recipe.train.save_every, total_steps),
        matrices=matrices,
        base_parameters=base,
        adapter_parameters=sum(group.parameters for group in groups if group.matrices),
        head_parameters=head,
        trained_parameters=sum(group.parameters for group in groups),
        groups=groups,
        pool=pool,
        schedule=_plan_schedule(recipe, pool, num_features, per_epoch, total_steps),
        pattern=plan_pattern(recipe, matrices, noted=noted_ranks),
    )


def count_steps(recipe: Recipe, steps_per_epoch: int) -> int:
    """T: max_steps, or epochs times the steps of an epoch, rounded up."""
    if recipe.train.max_steps is not None:
        return recipe.train.max_steps
    assert recipe.train.epochs is not None  # the schema wants one of the two
    # Rounded first: 1.1 * 100 is a little more than 110 in floating point.
    return math.ceil(round(recipe.train.epochs * steps_per_epoch, 6))


def find_matrices(model: nn.Module, model_type: str, recipe: Recipe) -> dict[str, tuple[int, int]]:
    """Full path -> (in_features, out_features) of what will be adapted.

    Raises:
        AdapterError: targets match nothing, or r does not fit the smallest matrix.
    """
    if recipe.adapter.type == "none":
        return {}
    paths = resolve_targets(
        linear_paths(model, outside=[HEAD]), recipe.adapter.target_modules, model_type=model_type
    )
    matrices = {}
    for path in paths:
        out_features, in_features = model.get_parameter(f"{path}.weight").shape
        matrices[path] = (in_features, out_features)
    largest = min(min(shape) for shape in matrices.values())
    if recipe.adapter.r > largest:
        raise AdapterError(
            f"adapter.r is {recipe.adapter.r}; the smallest matrix allows 1..{largest}"
        )
    return matrices


def _group_parameters(
    recipe: Recipe, matrices: dict[str, tuple[int, int]], head: int, base: int
) -> tuple[Group, ...]:
    singular = 1 if recipe.adapter.type == "svd" else 0  # each triplet's entry of E
    shapes: dict[str, list[tuple[int, int]]] = {}
    for path, shape in matrices.items():
        shapes.setdefault(_kind(path), []).append(shape)
    groups = [
        Group(kind, len(found), recipe.adapter.r * sum(sum(shape) + singular for shape in found))
        for kind, found in shapes.items()
    ]
    groups.append(Group("head", None, head))
    return (*groups, Group("base", None, base - head)) if recipe.adapter.full else tuple(groups)


def _kind(path: str) -> str:
    """A module's path with * for the number of its layer."""
    return re.sub(r"\.\d+\.", ".*.", path)


def _plan_warmup(recipe: Recipe, total_steps: int) -> int:
    warmup_steps = resolve_steps(recipe.train.warmup_steps, total_steps)
    if warmup_steps >= total_steps:
        raise ScheduleError(
            f"train.warmup_steps is {warmup_steps}; this run has {total_steps} steps, so fewer, or "
            "a share such as 0.05, are allowed"
        )
    return warmup_steps


def _period(value: int | float | None, total_steps: int) -> int | None:
    return None if value is None else resolve_steps(value, total_steps, at_least=1)


def _plan_schedule(
    recipe: Recipe, pool: Pool, num_features: int, per_epoch: int, total_steps: int
) -> BudgetSchedule | None:
    if recipe.allocator.type not in SCORING:
        return None
    return plan_schedule(
        recipe,
        pool,
        num_features=num_features,
        steps_per_epoch=per_epoch,
        total_steps=total_steps,
    )
