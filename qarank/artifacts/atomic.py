"""Files that are either whole or not there: written beside, fsynced, renamed."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from qarank.errors import RunError

CANNOT_FSYNC = (errno.EINVAL, errno.ENOTSUP)  # of a folder, on some network file systems


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around whatever writes to path.

    Raises:
        RunError: the disk is full, or nothing may be written there.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunError(f"{path} cannot be written: {reason}") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file in one move; its folder is made if need be.

    Raises:
        RunError: it cannot be written; a file that was there stays as it was.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """As `write_text`, of bytes."""
    beside = path.with_name(f".{path.name}.part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            fsync_folder(path.parent)
        finally:
            beside.unlink(missing_ok=True)


def write_json(path: Path, document: Any) -> None:
    """Write JSON for people and programs: indented, non-ASCII text as it is."""
    write_text(path, render_json(document))


def render_json(document: Any) -> str:
    """The text `write_json` writes."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """Parse a JSON file that holds one object.

    Raises:
        OSError: it is not there, or may not be read.
        ValueError: it is no JSON object in UTF-8.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise ValueError("it holds no JSON object")
    return document


def fsync_tree(folder: Path) -> None:
    """Force every file of a folder, and the folders, to disk."""
    for path in [*folder.rglob("*"), folder]:
        if path.is_dir():
            fsync_folder(path)
        else:
            fsync_file(path)


def fsync_folder(folder: Path) -> None:
    """Force a folder's names to disk: after a rename, the new one."""
    try:
        _fsync(folder)
    except OSError as error:
        if error.errno not in CANNOT_FSYNC:
            raise


def fsync_file(path: Path) -> None:
    """Force what was written to a file to disk; nothing to do where there is none."""
    if path.exists():
        _fsync(path)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """The hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
