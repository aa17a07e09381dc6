"""The rank of every matrix, from a file."""

from pathlib import Path
from typing import Any

from qarank.artifacts.atomic import read_json
from qarank.errors import CheckpointError


def read_ranks(file: Path) -> dict[str, int]:
    """Full module path -> rank.

    Args:
        file: JSON: a checkpoint's rank_pattern.json, or {full module path: rank}.

    Raises:
        CheckpointError: it is not there, cannot be read, or holds no ranks.
    """
    try:
        document = read_json(file)
        ranks = {
            name: _rank_of(entry) for name, entry in document.get("matrices", document).items()
        }
    except FileNotFoundError as error:
        raise CheckpointError(f"{file}: there is no such file") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{file} holds no ranks: a rank_pattern.json, or {{matrix: rank}}, is read"
        ) from error
    if not ranks:
        raise CheckpointError(f"{file} holds no ranks: it names no matrix")
    return ranks


def _rank_of(entry: Any) -> int:
    rank = entry["rank"] if isinstance(entry, dict) else entry
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 0:
        raise ValueError("a rank is a whole number, 0 or more")
    return rank
