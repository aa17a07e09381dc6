"""Where a merge may write: never over, around or into what it is made of, nor into a checkpoint."""

from collections.abc import Iterable
from pathlib import Path

from qarank.artifacts.find_run import OF_MODELS, is_run
from qarank.artifacts.names import CHECKPOINTS, MANIFEST
from qarank.artifacts.run_dir import RunDir
from qarank.errors import RunDirError

MERGE_INFO = "qarank_merge.json"


def check_free(out: Path, *, overwrite: bool) -> None:
    """Raise RunDirError where something stands that is no merge, or one that shall stay."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MERGE_INFO).is_file():
        raise RunDirError(f"{out} holds something else; choose another name")
    if not overwrite:
        raise RunDirError(f"{out} holds a merged model; --overwrite replaces it")


def check_apart(out: Path, source: Path) -> None:
    """Refuse a folder whose writing would change what is read, links resolved.

    Args:
        out: the folder to make.
        source: a run, a checkpoint, an adapter's or a model's folder; in a run, a folder of its
            own is free.

    Raises:
        RunDirError: out is the source, holds it, or lies in a model's folder or in a checkpoint.
    """
    target, read = out.resolve(), source.resolve()
    if target == read:
        raise RunDirError(f"{out} is what would be read; choose another folder")
    if target in read.parents:
        raise RunDirError(f"{out} holds {source}, which would be read; choose another folder")
    if read in target.parents and not is_run(read) and _holds_model(read):
        raise RunDirError(f"{out} lies in {source}, which would be read; choose one outside it")
    whole = _find_checkpoint_above((target, *target.parents))
    if whole is not None:
        raise RunDirError(f"{out} lies in the checkpoint {whole}; choose a folder outside it")


def _holds_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in OF_MODELS)


def _find_checkpoint_above(folders: Iterable[Path]) -> Path | None:
    """The first that is whole by its manifest, or stands where a run's checkpoints do."""
    for folder in folders:
        is_place = folder.parent.name == CHECKPOINTS
        if (folder / MANIFEST).is_file() or (
            is_place and RunDir(folder.parent.parent).run_path.is_file()
        ):
            return folder
    return None
