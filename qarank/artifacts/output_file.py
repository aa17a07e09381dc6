"""A file that a user asks a command to write: whether it may be, before that takes time."""

import os
from collections.abc import Iterable
from pathlib import Path

from qarank.errors import DataError


def check_output_file(path: Path, *, endings: Iterable[str], what: str, overwrite: bool) -> None:
    """Raise what would be wrong with writing there, and touch nothing.

    Args:
        path: the file.
        endings: that its name may have.
        what: goes there, in the plural.
        overwrite: whether a file may be there.

    Raises:
        DataError: the ending is another, the file is there already, or none can be made there.
    """
    allowed = tuple(endings)
    if path.suffix not in allowed:
        raise DataError(f"{path} must end in {', '.join(allowed)} for {what} to be written there")
    if path.is_dir():
        raise DataError(f"{path} is a folder; name a file in it")
    if path.exists() and not overwrite:
        raise DataError(f"{path} is there already; --overwrite replaces it")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise DataError(f"{path} cannot be written: {folder} is no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DataError(f"{path} cannot be written: nothing may be written in {folder}")
