"""metrics.jsonl and its like, a JSON object a line: read without torch, and while they grow."""

import json
import os
from pathlib import Path
from typing import Any

from qarank.errors import RunDirError

TAIL_BYTES = 65536  # holds the latest lines, of rounds over hundreds of matrices too


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The lines, the earliest first; none where there is no file.

    A last line without its end is still being written, and left out.

    Raises:
        RunDirError: it cannot be read, or a line is no JSON object.
    """
    return _parse(path, _read(path, 0))


def read_latest_lines(path: Path) -> list[dict[str, Any]]:
    """As `read_json_lines`, but only the latest lines, however long the file is."""
    try:
        start = max(0, path.stat().st_size - TAIL_BYTES)
    except FileNotFoundError:
        return []
    content = _read(path, start)
    if start:  # in the midst of a line
        content = content[content.find(b"\n") + 1 :]
    return _parse(path, content)


def _read(path: Path, start: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start, os.SEEK_SET)
            return file.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise RunDirError(f"{path} cannot be read: {error.strerror}") from error


def _parse(path: Path, content: bytes) -> list[dict[str, Any]]:
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    try:
        found = [json.loads(line) for line in lines]
    except ValueError as error:
        raise RunDirError(f"{path} is damaged: {error}") from error
    if not all(isinstance(line, dict) for line in found):
        raise RunDirError(f"{path} is damaged: a line is no object")
    return found
