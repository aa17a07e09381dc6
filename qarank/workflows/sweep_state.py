"""Where each point of a sweep stands: its run folder against what the recipe asks for now."""

import logging
from collections.abc import Mapping
from enum import Enum
from typing import Any

from qarank.artifacts.run_dir import RunDir, set_aside
from qarank.config.differences import list_differences
from qarank.config.load import load_recipe
from qarank.config.schema import Recipe
from qarank.errors import QarankError, RecipeError
from qarank.workflows.fingerprint import find_content_change
from qarank.workflows.sweep_check import CheckedPoint
from qarank.workflows.sweep_job import WRITER_WAIT_S

LOG = logging.getLogger("qarank")
EARLIER = "earlier"  # holds the runs of points that have changed since


class Standing(Enum):
    """Of a point's run folder."""

    NEW = "new"
    UNFINISHED = "unfinished"
    FINISHED = "finished"
    CHANGED = "changed"


def judge_standing(checked: CheckedPoint, run_dir: RunDir | None = None) -> tuple[Standing, str]:
    """Where a point stands, and what has changed since its run, "" if nothing has.

    A run is the point's own if recipe and content of data and model are the same; how it is made
    and where the folder stands are not looked at.

    Args:
        checked: a point that can run.
        run_dir: another folder to judge as if it were the point's.
    """
    run_dir = run_dir or checked.run_dir
    run = run_dir.read_run()
    if not has_begun(run):
        return Standing.NEW, ""
    recipe = checked.point.recipe
    change = find_recipe_change(run_dir, recipe) or _find_content_change(checked, run)
    if change:
        return Standing.CHANGED, change
    return (Standing.FINISHED if run["state"] == "finished" else Standing.UNFINISHED), ""


def has_begun(run: Mapping[str, Any]) -> bool:
    """Whether a run.json is one of a run that is more than a claimed folder."""
    return run.get("state") not in (None, "claimed")


def put_aside(checked: CheckedPoint, change: str) -> None:
    """Move a changed point's run to the sweep's folder of earlier ones; told.

    Raises:
        RunDirError: another process writes it, or it cannot be moved.
    """
    run_dir = checked.run_dir
    target = set_aside(run_dir, run_dir.path.parent / EARLIER, wait_s=WRITER_WAIT_S)
    LOG.info(
        "%s: %s; it is run anew, and its earlier run is now %s",
        checked.point.name,
        change,
        target,
    )


def bring_back(checked: CheckedPoint) -> bool:
    """Put a finished run of the point that was put aside in its place again, if there is one.

    So that a change taken back, as a mistyped override, costs nothing.

    Raises:
        RunDirError: a process writes the run that is now in its place, or it cannot be moved.
    """
    run_dir = checked.run_dir
    for folder in sorted((run_dir.path.parent / EARLIER).glob(f"{run_dir.path.name}-*")):
        try:
            is_finished = judge_standing(checked, RunDir(folder))[0] is Standing.FINISHED
        except QarankError:  # damaged: of no use here
            continue
        if is_finished:
            if run_dir.path.exists():
                set_aside(run_dir, run_dir.path.parent / EARLIER, wait_s=WRITER_WAIT_S)
            folder.rename(run_dir.path)
            LOG.info("%s: its run in %s is of this recipe and is back", checked.point.name, folder)
            return True
    return False


def find_recipe_change(run_dir: RunDir, recipe: Recipe) -> str:
    """What makes a folder's run another than the recipe's, "" if nothing does."""
    try:
        there = load_recipe(run_dir.recipe_path)
    except RecipeError:
        return "its run has no recipe that can be read"
    differences = list_differences(there, recipe)
    return "; ".join(differences[:3]) + ("; ..." if len(differences) > 3 else "")


def _find_content_change(checked: CheckedPoint, run: Mapping[str, Any]) -> str:
    were = run.get("fingerprints")
    if not isinstance(were, dict):
        return "its run does not say which data it was of"
    change = find_content_change(were, checked.fingerprints)
    if change:
        return f"{change} have changed"
    assert checked.plan is not None  # it can run
    same = run.get("plan", {}).get("pattern") == checked.plan.pattern
    return "" if same else "the ranks of allocator.pattern have changed"
