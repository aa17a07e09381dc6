"""Folders that are either whole or not there: renamed into place, and renamed before deleted.

What a killed process leaves stands under a hidden name: `.step_000012.part` was being written,
`.old` was being replaced, `.doomed` was being deleted.
"""

import shutil
from pathlib import Path

from qarank.artifacts.atomic import fsync_folder, writing

PART, OLD, DOOMED = ENDINGS = (".part", ".old", ".doomed")


def hidden(folder: Path, ending: str) -> Path:
    """A name beside a folder's own, which no list of checkpoints or evaluations shows."""
    return folder.with_name(f".{folder.name}{ending}")


def replace_folder(beside: Path, folder: Path) -> None:
    """Give a finished folder its name; one that had it is deleted after.

    Killed between the two renames, the old one stands as `.<name>.old`; see `put_back`.
    """
    put_back(folder)
    old = hidden(folder, OLD)
    shutil.rmtree(old, ignore_errors=True)
    try:
        if folder.exists():
            folder.replace(old)
        beside.replace(folder)
        fsync_folder(folder.parent)
    finally:
        put_back(folder)  # only after an error: else the name is taken
    shutil.rmtree(old, ignore_errors=True)


def put_back(folder: Path) -> None:
    """Undo a replacement that ended half way; nothing to do where none did."""
    old = hidden(folder, OLD)
    if old.is_dir() and not folder.exists():
        old.replace(folder)
        fsync_folder(folder.parent)


def delete_folder(folder: Path) -> None:
    """Delete a folder, its name first: killed half way, no half of it has a right name.

    Raises:
        RunError: it cannot be deleted.
    """
    doomed = hidden(folder, DOOMED)
    with writing(folder):
        if doomed.exists():  # of a process that was killed
            shutil.rmtree(doomed)
        folder.replace(doomed)
        shutil.rmtree(doomed)


def put_back_all(parent: Path) -> None:
    """`put_back` each folder whose replacement a killed process left half done."""
    for old in parent.glob(f".*{OLD}"):
        with writing(old):
            put_back(parent / old.stem.removeprefix("."))


def clear_leftovers(parent: Path) -> None:
    """Delete what killed processes were writing or deleting; call `put_back_all` before it."""
    for leftover in sorted(parent.glob(".step_*")):
        if leftover.suffix in ENDINGS:
            with writing(leftover):
                shutil.rmtree(leftover)
