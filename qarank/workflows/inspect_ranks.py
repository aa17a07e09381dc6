"""qarank inspect-ranks: how much rank each matrix kept. Reads JSON alone, so it starts fast."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qarank.artifacts.atomic import read_json
from qarank.artifacts.find_run import find_checkpoint
from qarank.artifacts.names import RANK_PATTERN
from qarank.errors import CheckpointError


@dataclass(frozen=True)
class MatrixRank:
    """One matrix.

    Attributes:
        path: full module path.
        stack: what the layers are in, as `bert.encoder.layer`; "" where the path has no layer.
        layer: number of its layer; None where its path has none.
        name: the path without the layer, as `attention.self.query`.
        rank: triplets kept.
        parameters: rank * (in_features + out_features).
    """

    path: str
    stack: str
    layer: int | None
    name: str
    rank: int
    parameters: int


@dataclass(frozen=True)
class RankReport:
    """The ranks of a checkpoint.

    Attributes:
        checkpoint: its folder.
        type: svd or frd.
        r: triplets each matrix started with.
        matrices: in the model's order.
    """

    checkpoint: str
    type: str
    r: int
    matrices: list[MatrixRank]

    @property
    def total_rank(self) -> int:
        """Triplets kept over all matrices."""
        return sum(matrix.rank for matrix in self.matrices)

    @property
    def total_parameters(self) -> int:
        """Parameters of the kept triplets, scalars E not counted."""
        return sum(matrix.parameters for matrix in self.matrices)

    def to_dict(self) -> dict[str, Any]:
        """For --json."""
        totals = {"total_rank": self.total_rank, "total_parameters": self.total_parameters}
        return {**asdict(self), **totals}


def report_ranks(path: Path) -> RankReport:
    """Read a run's (or a checkpoint's) rank pattern.

    Raises:
        RunDirError: the path is neither.
        CheckpointError: there is no checkpoint yet, it holds no adapter, or its pattern is damaged.
    """
    checkpoint = find_checkpoint(path)
    pattern_path = checkpoint / RANK_PATTERN
    if not pattern_path.is_file():
        raise CheckpointError(f"{checkpoint} has no {RANK_PATTERN}: nothing there was adapted")
    try:
        pattern = read_json(pattern_path)
        matrices = [_read_matrix(*entry) for entry in pattern["matrices"].items()]
        return RankReport(str(checkpoint), pattern["type"], pattern["r"], matrices)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{checkpoint} is damaged: {RANK_PATTERN} cannot be read") from error


def split_path(path: str) -> tuple[str, int | None, str]:
    """`bert.encoder.layer.3.intermediate` -> (`bert.encoder.layer`, 3, `intermediate`)."""
    found = re.match(r"^(.*?)\.(\d+)\.(.+)$", path)
    return ("", None, path) if found is None else (found[1], int(found[2]), found[3])


def _read_matrix(path: str, entry: dict[str, Any]) -> MatrixRank:
    stack, layer, name = split_path(path)
    cost = entry["in_features"] + entry["out_features"]
    return MatrixRank(path, stack, layer, name, entry["rank"], entry["rank"] * cost)
