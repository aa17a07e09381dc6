"""A run folder: where each file of a run stands, and who may write there."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qarank.artifacts.atomic import read_json, write_json
from qarank.artifacts.folders import put_back_all
from qarank.artifacts.lock import lock_folder
from qarank.artifacts.names import CHECKPOINTS, HOLDER, LOCK, RUN_JSON
from qarank.errors import CheckpointError, RunDirError

OWN_NAMES = (
    "recipe.yaml",
    "metrics.jsonl",
    "ranks.jsonl",
    "tensorboard",
    CHECKPOINTS,
    "eval",
    RUN_JSON,  # while it is there, the folder is known to be a run's
)
STEP_NAME = re.compile(r"step_([0-9]+)")


@dataclass(frozen=True)
class RunDir:
    """One run's folder. `run.json` names its state: running, finished or failed."""

    path: Path

    @property
    def recipe_path(self) -> Path:
        """The recipe as asked, overrides applied."""
        return self.path / "recipe.yaml"

    @property
    def run_path(self) -> Path:
        """What was found: versions, counts, schedule, hardware, results."""
        return self.path / RUN_JSON

    @property
    def metrics_path(self) -> Path:
        """A line a logged step."""
        return self.path / "metrics.jsonl"

    @property
    def ranks_path(self) -> Path:
        """A line a round."""
        return self.path / "ranks.jsonl"

    @property
    def tensorboard_dir(self) -> Path:
        """Event files."""
        return self.path / "tensorboard"

    def checkpoint_dir(self, global_step: int) -> Path:
        """The checkpoint after a step."""
        return self.checkpoints_dir / f"step_{global_step:06d}"

    @property
    def checkpoints_dir(self) -> Path:
        """All checkpoints."""
        return self.path / CHECKPOINTS

    def checkpoints(self) -> list[Path]:
        """Whole checkpoints, oldest first."""
        return step_folders(self.checkpoints_dir)

    @property
    def evals_dir(self) -> Path:
        """All evaluations."""
        return self.path / "eval"

    def eval_dir(self, checkpoint: str, data: str) -> Path:
        """Where an evaluation's files go."""
        return self.evals_dir / checkpoint / data

    def read_run(self) -> dict[str, Any]:
        """run.json, or an empty dict where there is none yet.

        Raises:
            RunDirError: it cannot be read.
        """
        if not self.run_path.is_file():
            return {}
        try:
            return read_json(self.run_path)
        except (OSError, ValueError) as error:
            raise RunDirError(f"{self.run_path} cannot be read: {error}") from error

    def write_run(self, run: dict[str, Any]) -> None:
        """Replace run.json in one move."""
        write_json(self.run_path, run)

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return self.read_run().get("state") == "finished"

    @contextmanager
    def lock(self, *, wait_s: float = 0.0) -> Iterator[None]:
        """Keep the folder for this process; see `lock_folder`.

        A checkpoint whose replacement was killed half way has its name again from here on.
        """
        with lock_folder(self.path, wait_s=wait_s):
            put_back_all(self.checkpoints_dir)
            yield


def step_of(folder: Path) -> int:
    """The global step a checkpoint's folder, or an evaluation's, is named after.

    Raises:
        CheckpointError: it has another name.
    """
    named = STEP_NAME.fullmatch(folder.name)
    if named is None:
        raise CheckpointError(f"{folder} is not named after a step; step_<number> is")
    return int(named[1])


def step_folders(parent: Path) -> list[Path]:
    """The folders named after a step, the earliest first; what else is there is left out."""
    return sorted(
        (each for each in parent.glob("step_*") if STEP_NAME.fullmatch(each.name)), key=step_of
    )


def claim_run_dir(path: Path, *, overwrite: bool, wait_s: float = 0.0) -> RunDir:
    """Make or empty a run folder; from here on its run.json says whose it is.

    Args:
        path: the folder; made with its parents.
        overwrite: replace a run that is there. Files that are not a run's are never touched.
        wait_s: as `lock_folder` has it.

    Raises:
        RunDirError: a run is there and overwrite is False, another process is writing it, or the
            folder is somebody else's or cannot be made.
    """
    check_claimable(path, overwrite=overwrite)
    run_dir = make_run_dir(path)
    with run_dir.lock(wait_s=wait_s):
        empty_run_dir(run_dir, overwrite=overwrite)
    return run_dir


def make_run_dir(path: Path) -> RunDir:
    """A folder, made with its parents, and nothing in it changed.

    Raises:
        RunDirError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunDirError(f"{path} cannot be made: {error.strerror}") from error
    return RunDir(path)


def empty_run_dir(run_dir: RunDir, *, overwrite: bool) -> None:
    """As `claim_run_dir`, for who holds the folder's lock already."""
    check_claimable(run_dir.path, overwrite=overwrite)  # another may have come first
    run_dir.write_run({"state": "claimed"})  # first: a run stopped from here on begins anew
    for name in OWN_NAMES:
        if name != RUN_JSON:
            _delete(run_dir.path / name)


def set_aside(run_dir: RunDir, parent: Path, *, wait_s: float = 0.0) -> Path:
    """Move a run out of the way, whole; its new folder in `parent`, named after it and numbered.

    Args:
        run_dir: of a run that nobody writes.
        parent: made if need be; on the same file system.
        wait_s: as `lock_folder` has it.

    Raises:
        RunDirError: another process writes the run, or the folder cannot be moved.
    """
    with run_dir.lock(wait_s=wait_s):
        try:
            parent.mkdir(parents=True, exist_ok=True)
            number = 1
            while (target := parent / f"{run_dir.path.name}-{number}").exists():
                number += 1
            run_dir.path.rename(target)
        except OSError as error:
            raise RunDirError(f"{run_dir.path} cannot be moved: {error.strerror}") from error
    (target / HOLDER).unlink(missing_ok=True)  # of the lock that was held while it moved
    return target


def _delete(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)  # of a link, the link alone


def check_claimable(path: Path, *, overwrite: bool) -> None:
    """Raise what `claim_run_dir` would, and touch nothing."""
    if not path.exists():
        return
    if not path.is_dir():
        raise RunDirError(f"{path} is a file; a run needs a folder of its own")
    names = sorted(entry.name for entry in path.iterdir() if not _is_ours(entry.name))
    if names and RUN_JSON not in names and "summary.json" in names:
        raise RunDirError(f"{path} holds a sweep; give this run another name")
    if names and RUN_JSON not in names:
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise RunDirError(f"{path} holds files of somebody else ({shown}); choose another name")
    if names and not overwrite:
        if RunDir(path).is_finished:
            raise RunDirError(f"{path} holds a finished run; --overwrite replaces it")
        ways = "--resume goes on with it, --overwrite replaces it"
        raise RunDirError(f"{path} holds an unfinished run; {ways}")


def _is_ours(name: str) -> bool:
    """The lock, its holder, and what a killed process left of a file it was writing."""
    return name in (LOCK, HOLDER) or (name.startswith(".") and name.endswith(".part"))
