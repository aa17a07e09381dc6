"""qarank prepare: data -> features, cached; and what a run of them will be."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from transformers import PretrainedConfig, PreTrainedTokenizerBase

from qarank.config.schema import Recipe
from qarank.config.sweep_points import SweepPoint
from qarank.engine.distributed import ALONE, Processes
from qarank.engine.precision import check_precision, default_device, resolve_precision
from qarank.errors import DataError, QarankError
from qarank.workflows.audit import WrittenAudit, write_audit
from qarank.workflows.budget import Ranks
from qarank.workflows.data import (
    Part,
    allows_no_answer,
    check_answerable,
    check_columns_used,
    features_cache_dir,
    load_train_parts,
    load_validation_part,
    tell_notes,
)
from qarank.workflows.model import count_positions, load_config, load_tokenizer
from qarank.workflows.model_source import ModelSource, find_model
from qarank.workflows.preflight import Plan, plan_run

Parts = tuple[Part, Part | None, Part | None]  # train, threshold, validation


@dataclass(frozen=True)
class Prepared:
    """All a run needs but the model's weights.

    Attributes:
        recipe: as asked.
        source: where the model is.
        config: the model's.
        tokenizer: the model's, fast.
        train: training examples and features.
        validation: evaluation examples and features, or None.
        with_null: whether "no answer" is an answer.
        plan: the run's numbers.
        world_size: processes the run has.
        threshold: examples held out of the training data to tune the null threshold on, or None.
    """

    recipe: Recipe
    source: ModelSource
    config: PretrainedConfig
    tokenizer: PreTrainedTokenizerBase
    train: Part
    validation: Part | None
    with_null: bool
    plan: Plan
    world_size: int = 1
    threshold: Part | None = None

    @property
    def parts(self) -> dict[str, Part]:
        """Training data and, if any, held-out and evaluation data by name."""
        named = {"train": self.train, "threshold": self.threshold, "validation": self.validation}
        return {name: part for name, part in named.items() if part is not None}


def load_parts(
    recipe: Recipe, tokenizer: PreTrainedTokenizerBase, *, keep_faults: bool = False
) -> Parts:
    """All data of a run, with their features; arguments as `load_train_parts` has them."""
    train, threshold = load_train_parts(recipe, tokenizer, keep_faults=keep_faults)
    return train, threshold, load_validation_part(recipe, tokenizer, keep_faults=keep_faults)


def prepare_run(
    recipe: Recipe,
    processes: Processes = ALONE,
    *,
    will_train: bool = True,
    keep_faults: bool = False,
    load: Callable[..., Parts] = load_parts,
    noted_ranks: Ranks | None = None,
) -> Prepared:
    """Find the model, build or find the features, plan the run.

    Features are built by the first process of each machine; the others then find them.

    Args:
        recipe: as asked.
        processes: of the run.
        will_train: False where only features are wanted, which need no GPU whatever the precision.
        keep_faults: leave out records that are wrong, and note them; else the first is an error.
        load: gives the data; another than `load_parts` may know them already.
        noted_ranks: of a run that is to be gone on with, as in `plan_pattern`.

    Raises:
        QarankError: the model, the precision, the data or the schedule cannot be used.
        LostProcessError: the first process of this machine took too long.
    """
    source = find_model(recipe.model)
    config = load_config(source, recipe.model)
    check_precision(recipe.train.precision, config.model_type)
    if will_train:
        resolve_precision(recipe.train.precision, default_device())  # refused now, not hours later
    tokenizer = load_tokenizer(source)
    _check_length(recipe, config)
    train, threshold, validation = processes.first_on_machine(
        lambda: load(recipe, tokenizer, keep_faults=keep_faults), what="the features"
    )
    parts = [part for part in (train, threshold, validation) if part is not None]
    if processes.is_main:
        for part in parts:
            tell_notes(part)
    check_columns_used(recipe.data, parts)
    for part in parts:
        check_answerable(recipe.data, part)
    with_null = allows_no_answer(recipe.data, *(part.examples for part in parts))
    plan = plan_run(config, len(train.table), recipe, noted_ranks=noted_ranks)
    return Prepared(
        recipe,
        source,
        config,
        tokenizer,
        train,
        validation,
        with_null,
        plan,
        processes.world.world_size,
        threshold,
    )


def describe_parts(prepared: Prepared) -> dict[str, dict[str, Any]]:
    """Counts of each part, for run.json and tables."""
    return {
        name: {
            "label": part.label,
            "examples": len(part.examples),
            "unanswerable": sum(example.is_impossible for example in part.examples),
            "features": len(part.table),
            "longest_feature": int(part.table.lengths.max()),
            "cut_questions": len(part.table.cut_questions),
            "was_cached": part.was_cached,
        }
        for name, part in prepared.parts.items()
    }


def describe_preparation(prepared: Prepared) -> dict[str, Any]:
    """What `qarank prepare` reports."""
    return {
        "features_dir": str(features_cache_dir()),
        "version_2_with_negative": prepared.with_null,
        "data": describe_parts(prepared),
        "plan": prepared.plan.to_dict(),
        "budget_unit": prepared.recipe.allocator.budget_unit,
        "processes": describe_processes(prepared),
    }


def audit_prepared(prepared: Prepared) -> WrittenAudit:
    """Look through the data of a run and write down what was found."""
    return write_audit(prepared.parts, prepared.recipe.data, prepared.tokenizer)


def describe_processes(prepared: Prepared) -> dict[str, int | float]:
    """How many there are, and the features of a step that fall to one of them, on average."""
    size = prepared.world_size
    return {"world_size": size, "features_a_step": prepared.recipe.train.batch_size / size}


def describe_points(
    points: Sequence[SweepPoint],
) -> list[tuple[dict[str, Any], WrittenAudit]]:
    """What `qarank prepare` reports of a sweep: each point as if it were alone, under its name.

    Raises:
        QarankError: a point cannot be run; the line begins with its name.
    """
    described = []
    for point in points:
        with naming_point(point.name):
            prepared = prepare_run(point.recipe, will_train=False, keep_faults=True)
        written = audit_prepared(prepared)
        report = {**describe_preparation(prepared), "audit": written.to_dict()}
        described.append(({"point": point.name, **report}, written))
    return described


@contextmanager
def naming_point(name: str) -> Iterator[None]:
    """Let the line of an error begin with the name of the sweep's point."""
    try:
        yield
    except QarankError as error:
        error.args = (f"sweep point {name}: {error}", *error.args[1:])
        raise


def _check_length(recipe: Recipe, config: PretrainedConfig) -> None:
    """Refuse windows longer than the model's absolute positions."""
    limit = count_positions(config)
    if limit is not None and limit < recipe.data.max_seq_length:
        raise DataError(
            f"data.max_seq_length is {recipe.data.max_seq_length}; this model has {limit} positions"
        )
