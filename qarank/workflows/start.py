"""Where a run begins: anew, after a checkpoint, or not at all since it is finished."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from qarank.artifacts.recovery import newest_good_checkpoint
from qarank.artifacts.run_dir import RunDir, check_claimable
from qarank.config.differences import list_differences
from qarank.config.load import load_recipe
from qarank.config.schema import Recipe
from qarank.errors import CheckpointError, RunDirError
from qarank.workflows.build import Setting
from qarank.workflows.checkpointer import SavedState
from qarank.workflows.fingerprint import find_content_change, fingerprint_run
from qarank.workflows.prepare import Prepared

LOG = logging.getLogger("qarank")


@dataclass(frozen=True)
class Start:
    """Where a run begins.

    Attributes:
        checkpoint: to go on from; None begins anew.
        run: what run.json says of the run so far; empty where it begins anew.
    """

    checkpoint: Path | None
    run: dict[str, Any]


def look_at_run(path: Path, recipe: Recipe, *, resume: bool, overwrite: bool) -> dict[str, Any]:
    """run.json of a run to go on with, or that is finished; empty where a run begins anew.

    Args:
        path: the run's folder, which need not be there.
        recipe: as asked.
        resume: go on where there is something to go on from.
        overwrite: replace a run that is there.

    Raises:
        RunDirError: the folder is taken, or holds a run of another recipe.
    """
    run_dir = RunDir(path)
    if overwrite or not resume or not run_dir.run_path.is_file():
        check_claimable(path, overwrite=overwrite)
        return {}
    run = run_dir.read_run()
    if run.get("state") == "claimed":  # and stopped before it began
        return {}
    if not run_dir.recipe_path.is_file():
        raise RunDirError(
            f"{path} holds a run without its recipe.yaml, which cannot be gone on with; "
            "--overwrite replaces it, another name keeps both"
        )
    require_same_recipe(run_dir, recipe)
    return run


def find_start(run_dir: RunDir, run: dict[str, Any]) -> Start:
    """The newest good checkpoint of a run that look_at_run has seen, if there is one.

    Raises:
        CheckpointError: all of its checkpoints are damaged.
    """
    checkpoint = newest_good_checkpoint(run_dir) if run else None
    return Start(checkpoint, {} if checkpoint is None else run)


def require_same_recipe(run_dir: RunDir, recipe: Recipe) -> None:
    """Raise RunDirError, naming the keys that differ, if a folder's run is of another recipe."""
    differences = list_differences(load_recipe(run_dir.recipe_path), recipe)
    if differences:
        shown = "; ".join(differences[:3]) + ("; ..." if len(differences) > 3 else "")
        raise RunDirError(
            f"{run_dir.path} holds a run of another recipe: {shown}; --overwrite replaces it, "
            "another name keeps both"
        )


def require_same_run(start: Start, saved: SavedState, prepared: Prepared, setting: Setting) -> None:
    """Refuse to go on with other data or another model; warn where equality is lost.

    Raises:
        CheckpointError: names what differs.
    """
    now = fingerprint_run(prepared)
    change = find_content_change(start.run.get("fingerprints", now), now)
    if change:
        raise CheckpointError(
            f"{start.checkpoint} was made with other data or another model: {change} have changed "
            "since; --overwrite starts anew"
        )
    plan, before = prepared.plan.to_dict(), start.run.get("plan", {})
    names = [name for name in plan if plan[name] != before.get(name)]
    if "pattern" in names:
        raise CheckpointError(
            f"{start.checkpoint} was made with other ranks: those of allocator.pattern, "
            f"{prepared.recipe.allocator.pattern}, have changed since; --overwrite starts anew"
        )
    if names:
        name = names[0]
        raise CheckpointError(
            f"{start.checkpoint} was made with other data or another model: {name} was "
            f"{before.get(name)!r}, now it is {plan[name]!r}; --overwrite starts anew"
        )
    if setting.processes.is_main:
        _warn_of_inequality(start, saved, setting)


def _warn_of_inequality(start: Start, saved: SavedState, setting: Setting) -> None:
    """Say what keeps the run from being bit-equal to one never stopped."""
    then, now = saved.facts["world_size"], setting.processes.world.world_size
    if then != now:
        LOG.warning(
            "the run had %d processes and now has %d: dropout draws other masks from here on",
            then,
            now,
        )
    threads = start.run.get("hardware", {}).get("threads")
    if setting.device.type == "cpu" and threads != torch.get_num_threads():
        LOG.warning(
            "the run had %s threads and now has %d (OMP_NUM_THREADS): roundings differ",
            threads,
            torch.get_num_threads(),
        )
    device = str(start.run.get("hardware", {}).get("device", ""))
    if device.startswith("cpu") != (setting.device.type == "cpu"):
        LOG.warning("the run was on %s and goes on elsewhere: roundings differ", device)
