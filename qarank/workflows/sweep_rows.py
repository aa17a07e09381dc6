"""A sweep's run folders as rows, and all of them as a study."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qarank.artifacts.json_lines import read_json_lines
from qarank.artifacts.round_file import read_rounds
from qarank.artifacts.run_dir import RunDir
from qarank.config.load import dump_recipe
from qarank.config.schema import Recipe
from qarank.config.sweep_points import SweepPoint
from qarank.errors import QarankError, RunDirError
from qarank.report.study import Published, Row, State, Study
from qarank.workflows.train import run_path

LOG = logging.getLogger("qarank")
Lines = list[dict[str, Any]]
STATES: Mapping[str, State] = {
    "running": "stopped",  # unless somebody says that it runs
    "stopped": "stopped",
    "failed": "failed",
    "finished": "finished",
}


def read_row(
    point: SweepPoint,
    *,
    was_finished: bool = False,
    failure: str | None = None,
    is_current: bool = True,
) -> Row:
    """A point as far as its run folder says.

    Args:
        point: of the sweep.
        was_finished: an earlier call had run it.
        failure: why it could not run, or how its process ended; None where it did not fail.
        is_current: whether the folder's run is the point's own, not one of an earlier recipe.

    Raises:
        RunDirError: the folder's run.json cannot be read.
    """
    run = RunDir(run_path(point.recipe)).read_run() if is_current else {}
    state: State = STATES.get(str(run.get("state")), "waiting")
    reason = run.get("reason") if state in ("failed", "stopped") else None
    if failure is not None:
        state, reason = "failed", failure
    try:
        finished = _finished_values(run) if state == "finished" else {}
    except KeyError as error:
        raise RunDirError(f"{run_path(point.recipe)}/run.json has no {error}") from error
    return Row(
        point=point.name,
        group=point.group,
        method=name_method(point.recipe),
        seed=point.recipe.seed,
        learning_rate=point.recipe.train.learning_rate,
        state=state,
        reason=reason,
        was_finished=was_finished,
        **finished,
    )


def name_method(recipe: Recipe) -> str:
    """Adapter and allocator in a word: `frd`, `svd + adalora`, `full`."""
    adapter, allocator = recipe.adapter, recipe.allocator.type
    word = "full" if adapter.full else adapter.type
    return word if allocator == "none" else f"{word} + {allocator}"


def _finished_values(run: Mapping[str, Any]) -> dict[str, Any]:
    plan, result = run["plan"], run["result"]
    metrics, ranks = result["metrics"], result["ranks"]
    budget = sum(rank * sum(plan["matrices"][path]) for path, rank in ranks.items())
    return {
        "metrics": metrics,
        "exact": metrics.get("exact", metrics.get("exact_match")),
        "f1": metrics.get("f1"),
        "trained_parameters": plan["trained_parameters"],
        "final_parameters": budget + plan["head_parameters"] if ranks else None,
        "budget": budget if ranks else None,
        "start_budget": plan["schedule"]["start_budget"] if plan["schedule"] else None,
        "ranks": ranks,
        "train_s": result["train_s"],
        "total_s": result["total_s"],
        "features_per_s": result["features_per_s"],
        "peak_bytes": result.get("peak_bytes"),
    }


def build_study(
    recipe: Recipe, sweep_dir: Path, points: Sequence[SweepPoint], rows: Sequence[Row]
) -> Study:
    """The sweep as far as it came, with what its runs wrote on the way.

    Args:
        recipe: of the sweep.
        sweep_dir: holds the points' folders.
        points: all of them.
        rows: of each point, in the same order.
    """
    folders = {
        row.point: RunDir(run_path(point.recipe))
        for point, row in zip(points, rows, strict=True)
        if row.state != "waiting"
    }
    newest = _latest_run([folders[row.point] for row in rows if row.state == "finished"])
    return Study(
        name=recipe.name,
        rows=rows,
        published=list_published(points),
        recipe=dump_recipe(recipe),
        data=newest.get("data", {}),
        versions=newest.get("versions", {}),
        hardware={**newest.get("hardware", {}), "precision": newest.get("precision")}
        if newest
        else {},
        curves=_read_all(folders, lambda folder: read_json_lines(folder.metrics_path)),
        rounds=_read_all(folders, lambda folder: read_rounds(folder.ranks_path)),
        links={
            name: folder.path.relative_to(sweep_dir).as_posix() for name, folder in folders.items()
        },
    )


def list_published(points: Sequence[SweepPoint]) -> dict[str, Published]:
    """Group -> figures of others, of those that carry some."""
    found = {point.group: point.published for point in points}
    return {
        group: Published(source=figures.source, exact=figures.exact, f1=figures.f1)
        for group, figures in found.items()
        if figures is not None
    }


def _read_all(folders: Mapping[str, RunDir], read: Callable[[RunDir], Lines]) -> dict[str, Lines]:
    """What is read of each run; one whose file is damaged is told and left out."""
    found = {}
    for name, folder in folders.items():
        try:
            found[name] = read(folder)
        except QarankError as error:
            LOG.warning("%s: left out of the plots: %s", name, error)
    return found


def _latest_run(folders: Sequence[RunDir]) -> dict[str, Any]:
    """run.json of the run that started last; empty where there is none."""
    runs = [folder.read_run() for folder in folders]
    return max(runs, key=lambda run: str(run.get("started", "")), default={})
