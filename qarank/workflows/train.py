"""qarank train: a recipe -> a run folder with checkpoints, metrics and ranks."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qarank.artifacts.atomic import write_text
from qarank.artifacts.run_dir import check_claimable, claim_run_dir
from qarank.config.load import dump_recipe
from qarank.config.schema import Recipe
from qarank.engine.precision import default_device, resolve_precision
from qarank.engine.tracking import Tracker
from qarank.workflows.facts import describe_environment
from qarank.workflows.prepare import Prepared, describe_parts, prepare_run
from qarank.workflows.session import TrainingSession

LOG = logging.getLogger("qarank")


@dataclass(frozen=True)
class TrainOptions:
    """How a run is made, besides its recipe.

    Attributes:
        overwrite: replace a run of that name.
        show_progress: draw bars where stderr is a terminal.
    """

    overwrite: bool = False
    show_progress: bool = True


def run_path(recipe: Recipe) -> Path:
    """The run's folder."""
    return Path(recipe.runs_dir) / recipe.name


def train_recipe(recipe: Recipe, options: TrainOptions) -> dict[str, Any]:
    """Run a recipe from its start to a finished run folder.

    Returns:
        run.json's content.

    Raises:
        QarankError: the recipe cannot be run; nothing has been written.
        RunError: training could not go on; the folder is left as a failed run.
    """
    check_claimable(run_path(recipe), overwrite=options.overwrite)
    return train_prepared(prepare_run(recipe), options)


def train_prepared(prepared: Prepared, options: TrainOptions) -> dict[str, Any]:
    """As train_recipe, with the data ready."""
    recipe = prepared.recipe
    device = default_device()
    precision = resolve_precision(recipe.train.precision, device)
    run_dir = claim_run_dir(run_path(recipe), overwrite=options.overwrite)
    facts = {
        "state": "running",
        "name": recipe.name,
        "seed": recipe.seed,
        **describe_environment(device, precision),
        "version_2_with_negative": prepared.with_null,
        "data": describe_parts(prepared),
        "plan": prepared.plan.to_dict(),
    }
    _note_plan(prepared)
    with run_dir.lock():
        write_text(run_dir.recipe_path, dump_recipe(recipe))
        run_dir.write_run(facts)
        try:
            with Tracker(run_dir.metrics_path, run_dir.tensorboard_dir) as tracker:
                session = TrainingSession(
                    prepared,
                    run_dir,
                    tracker,
                    device,
                    precision,
                    show_progress=options.show_progress,
                )
                result = session.run()
        except BaseException as error:
            run_dir.write_run({**facts, "state": "failed", "reason": _describe_error(error)})
            raise
        finished = {**facts, "state": "finished", "result": result}
        run_dir.write_run(finished)
    return finished


def _note_plan(prepared: Prepared) -> None:
    """Say, before anything long, what is adapted and how far the budget falls."""
    plan, name = prepared.plan, prepared.recipe.name
    LOG.info("%s: %d steps, %s trained parameters", name, plan.total_steps, plan.trained_parameters)
    for target, count in plan.targets.items():
        LOG.info("  adapted: %s, %d matrices", target, count)
    if plan.schedule is not None:
        LOG.info("  triplets: %d -> %d", plan.schedule.start_budget, plan.schedule.target_budget)


def _describe_error(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
