"""A run that was stopped, made as it was right after a checkpoint, to go on from there.

Looking changes nothing. Setting back needs the run's lock, and may be killed and done again.
"""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qarank.artifacts.atomic import fsync_folder, write_bytes, writing
from qarank.artifacts.checkpoint import verify_checkpoint
from qarank.artifacts.folders import clear_leftovers, delete_folder
from qarank.artifacts.run_dir import RunDir, step_folders, step_of
from qarank.errors import CheckpointError

LOG = logging.getLogger("qarank")
EVALUATION = "eval/"  # so begin the keys of an evaluation's line

Line = Mapping[str, Any]  # parsed, with its global_step


def newest_good_checkpoint(run_dir: RunDir) -> Path | None:
    """The checkpoint to go on from; each newer one that is damaged is named in a warning.

    Returns:
        None where there is no checkpoint at all.

    Raises:
        CheckpointError: there are some, and none is good.
    """
    damages: list[CheckpointError] = []
    for folder in reversed(run_dir.checkpoints()):
        try:
            verify_checkpoint(folder)
        except CheckpointError as error:
            damages.append(error)
            continue
        for damage in damages:
            LOG.warning("%s; the one before it is used: %s", damage, folder.name)
        return folder
    if damages:
        for damage in damages[:-1]:
            LOG.warning("%s", damage)
        what = f"{run_dir.path} has no good checkpoint to go on from"
        raise CheckpointError(f"{what} ({damages[-1]}); --overwrite starts anew")
    return None


def set_back(run_dir: RunDir, checkpoint: Path | None, *, redo_evaluation: bool = False) -> None:
    """Make a run as it was right after a checkpoint was saved.

    Later checkpoints, which are damaged, get another name; later lines and evaluations go.

    Args:
        run_dir: of the run; the checkpoint's own files are not touched.
        checkpoint: what `newest_good_checkpoint` found; None sets back to before the first step.
        redo_evaluation: the checkpoint was saved before its step's evaluation was done: what there
            is of that goes too.

    Raises:
        RunError: something cannot be written or deleted.
    """
    last_step = -1 if checkpoint is None else step_of(checkpoint)
    # First, and the latest first: killed anywhere below, the next resume chooses this checkpoint
    # again, or a later one whose lines are all still there.
    for folder in reversed(run_dir.checkpoints()):
        if step_of(folder) > last_step:
            _set_aside(folder)
    first_redone = last_step if redo_evaluation else last_step + 1
    for folder in step_folders(run_dir.evals_dir):
        if step_of(folder) >= first_redone:
            delete_folder(folder)
    for parent in (run_dir.checkpoints_dir, run_dir.evals_dir):
        clear_leftovers(parent)

    def is_kept(line: Line) -> bool:
        step = line["global_step"]
        return step < first_redone or (step == last_step and not _is_evaluation(line))

    for path in (run_dir.metrics_path, run_dir.ranks_path):
        _cut_lines(path, is_kept)


def _set_aside(folder: Path) -> None:
    """Rename a damaged checkpoint, so that its step can be saved again."""
    named = aside = folder.with_name(f"damaged_{folder.name}")
    number = 1
    while aside.exists():
        number += 1
        aside = named.with_name(f"{named.name}_{number}")
    with writing(folder):
        folder.replace(aside)
        fsync_folder(folder.parent)


def _is_evaluation(line: Line) -> bool:
    return any(key.startswith(EVALUATION) for key in line)


def _cut_lines(path: Path, is_kept: Callable[[Line], bool]) -> None:
    """Drop lines in one move; from the first that cannot be read on, all of them."""
    if not path.exists():
        return
    with writing(path):
        content = path.read_bytes()
    lines = content.removesuffix(b"\n").split(b"\n") if content else []
    kept: list[bytes] = []
    for number, text in enumerate(lines, start=1):
        line = _parse(text)
        if line is None:
            if number < len(lines):  # the last one is half written wherever a process was killed
                LOG.warning("%s: line %d cannot be read; it and all after it are cut", path, number)
            break
        if is_kept(line):
            kept.append(text + b"\n")
    if b"".join(kept) != content:
        write_bytes(path, b"".join(kept))


def _parse(text: bytes) -> Line | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    is_line = isinstance(line, dict) and isinstance(line.get("global_step"), int)
    return line if is_line else None
