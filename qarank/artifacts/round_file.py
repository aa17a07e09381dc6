"""ranks.jsonl: what each round of a run decided. Read without torch, while the run goes on too."""

import json
from pathlib import Path
from typing import Any

from qarank.errors import CheckpointError

NEEDED = {"global_step": int, "budget": int, "ranks": dict, "revived": int}


def read_rounds(path: Path, *, until: int | None = None) -> list[dict[str, Any]]:
    """The lines, the earliest first; none where there is no file.

    Args:
        path: the file; a last line without its end is still being written, and left out.
        until: the last global step to read; None reads all.

    Raises:
        CheckpointError: a line is no round.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    lines = text[: text.rfind("\n") + 1].splitlines()
    rounds = [_parse(path, number, line) for number, line in enumerate(lines, start=1)]
    return [line for line in rounds if until is None or line["global_step"] <= until]


def _parse(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
        if not all(isinstance(found[key], kind) for key, kind in NEEDED.items()):
            raise TypeError("a value of another kind")
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: line {number} is no round") from error
    assert isinstance(found, dict)  # it has keys
    return found
