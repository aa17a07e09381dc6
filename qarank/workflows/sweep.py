"""qarank sweep: the points of a recipe one after another, each a run folder like any other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qarank.artifacts.atomic import write_json, write_text
from qarank.artifacts.run_dir import RunDir, check_claimable
from qarank.artifacts.tables import to_csv
from qarank.config.schema import Recipe
from qarank.config.sweep_points import SweepPoint
from qarank.errors import RunDirError
from qarank.workflows.prepare import prepare_run
from qarank.workflows.start import require_same_recipe
from qarank.workflows.train import TrainOptions, run_path, train_recipe

COLUMNS = (
    "point",
    "exact",
    "f1",
    "HasAns_f1",
    "NoAns_exact",
    "trained_parameters",
    "final_parameters",
    "start_budget",
    "final_ranks",
    "features_per_s",
    "train_s",
)


@dataclass(frozen=True)
class PointOutcome:
    """One point of a sweep.

    Attributes:
        name: of the point.
        run: its run.json.
        was_finished: True where an earlier sweep had run it.
    """

    name: str
    run: dict[str, Any]
    was_finished: bool


def run_sweep(
    sweep_dir: Path,
    points: Sequence[SweepPoint],
    *,
    overwrite: bool,
    show_progress: bool,
    on_point: Callable[[int, SweepPoint, bool], None] = lambda *_: None,
) -> dict[str, Any]:
    """Run every point that is not finished yet, then write the sweep's tables.

    Args:
        sweep_dir: holds the points' run folders, summary.json and summary.csv.
        points: from expand_points.
        overwrite: run finished points again.
        show_progress: draw bars where stderr is a terminal.
        on_point: told of each point before it starts: its number, itself, whether it is finished.

    Raises:
        RunDirError: a point's folder holds a run of another recipe, or is somebody else's.
    """
    if RunDir(sweep_dir).run_path.exists():
        raise RunDirError(f"{sweep_dir} holds a run; give the sweep another name")
    for point in points:
        if not _is_finished(point.recipe, overwrite=overwrite):
            prepare_run(point.recipe)  # a point that cannot run is told before the first one trains
    outcomes: list[PointOutcome] = []
    for number, point in enumerate(points, start=1):
        was_finished = _is_finished(point.recipe, overwrite=overwrite)
        on_point(number, point, was_finished)
        if was_finished:
            run = RunDir(run_path(point.recipe)).read_run()
        else:
            # An unfinished run of the same recipe is one that was stopped: it goes on.
            options = TrainOptions(
                overwrite=overwrite,
                resume=not overwrite,
                show_progress=show_progress,
                resume_command="the same command",
            )
            run = train_recipe(point.recipe, options)
        outcomes.append(PointOutcome(point.name, run, was_finished))
        summary = write_summary(sweep_dir, outcomes)
    return summary


def write_summary(sweep_dir: Path, outcomes: Sequence[PointOutcome]) -> dict[str, Any]:
    """summary.json and summary.csv of all points."""
    rows = [summarise(outcome) for outcome in outcomes]
    summary = {"points": rows}
    write_json(sweep_dir / "summary.json", summary)
    write_text(sweep_dir / "summary.csv", to_csv(COLUMNS, rows))
    return summary


def summarise(outcome: PointOutcome) -> dict[str, Any]:
    """A point's row: figures of its best checkpoint, what it trained, what rank it kept.

    `final_parameters` are those of the kept triplets and the head: what the trained model adds.
    """
    plan, result = outcome.run["plan"], outcome.run["result"]
    metrics, ranks = result["metrics"], result["ranks"]
    kept = sum(rank * sum(plan["matrices"][path]) for path, rank in ranks.items())
    return {
        "point": outcome.name,
        "exact": metrics.get("exact", metrics.get("exact_match")),
        "f1": metrics.get("f1"),
        "HasAns_f1": metrics.get("HasAns_f1"),
        "NoAns_exact": metrics.get("NoAns_exact"),
        "trained_parameters": plan["trained_parameters"],
        "final_parameters": kept + plan["head_parameters"] if ranks else None,
        "start_budget": plan["schedule"]["start_budget"] if plan["schedule"] else None,
        "final_ranks": sum(ranks.values()) if ranks else None,
        "features_per_s": result["features_per_s"],
        "train_s": result["train_s"],
        "was_finished": outcome.was_finished,
        "metrics": metrics,
        "ranks": ranks,
    }


def _is_finished(recipe: Recipe, *, overwrite: bool) -> bool:
    """Whether a point has been run; refuses a folder that holds something else."""
    run_dir = RunDir(run_path(recipe))
    if not run_dir.path.exists():
        return False
    check_claimable(run_dir.path, overwrite=True)
    if overwrite or not run_dir.recipe_path.is_file():
        return False
    require_same_recipe(run_dir, recipe)
    return run_dir.is_finished
