"""qarank inspect-ranks: how much rank each matrix kept. Needs no torch, so it starts fast."""

import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from qarank.adapters.peft_names import UpdateShape, read_update_shapes
from qarank.artifacts.atomic import read_json
from qarank.artifacts.find_run import describe_no_adapter, find_checkpoint, is_run, naming_folder
from qarank.artifacts.names import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    FULL_MODEL_CONFIG,
    RANK_PATTERN,
)
from qarank.artifacts.tensor_parts import read_shapes
from qarank.errors import AdapterError, CheckpointError, RunDirError
from qarank.workflows.inspect_notes import describe_rest

PEFT_TYPES = ("LORA", "ADALORA")
SIDES = ("in_features", "out_features")


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
        in_features: of the matrix.
        out_features: of the matrix.
    """

    path: str
    stack: str
    layer: int | None
    name: str
    rank: int
    parameters: int
    in_features: int
    out_features: int

    @property
    def cost(self) -> int:
        """Parameters of one triplet, its scalar E not counted."""
        return self.in_features + self.out_features


@dataclass(frozen=True)
class RankReport:
    """The ranks of a checkpoint or an adapter folder.

    Attributes:
        checkpoint: its folder.
        type: svd or frd; LORA or ADALORA of a folder that PEFT wrote.
        r: triplets each matrix started with; the most it has, of plain LoRA.
        matrices: in the model's order; a plain LoRA folder names none of rank 0.
        notes: what the folder holds that is not counted, and why eval and merge refuse it.
    """

    checkpoint: str
    type: str
    r: int
    matrices: list[MatrixRank]
    notes: list[str] = field(default_factory=list)

    @property
    def total_rank(self) -> int:
        """Triplets kept over all matrices."""
        return sum(matrix.rank for matrix in self.matrices)

    @property
    def total_parameters(self) -> int:
        """Parameters of the kept triplets, scalars E not counted."""
        return sum(matrix.parameters for matrix in self.matrices)

    @property
    def ranks(self) -> dict[str, int]:
        """Full module path -> triplets kept."""
        return {matrix.path: matrix.rank for matrix in self.matrices}

    @property
    def kinds(self) -> dict[str, str]:
        """Full module path -> kind of matrix; with its stack's name where there are several."""
        return {
            m.path: f"{m.stack}.*.{m.name}" if self.has_stacks and m.stack else m.name
            for m in self.matrices
        }

    @property
    def has_stacks(self) -> bool:
        """Whether there are several stacks of layers, as an encoder and a decoder."""
        return len({matrix.stack for matrix in self.matrices if matrix.stack}) > 1

    def to_dict(self) -> dict[str, Any]:
        """For --json."""
        totals = {"total_rank": self.total_rank, "total_parameters": self.total_parameters}
        return {**asdict(self), **totals}


def report_ranks(path: Path) -> RankReport:
    """Read the rank pattern of a run, a checkpoint or any LoRA or AdaLoRA folder of PEFT's format.

    Raises:
        RunDirError: the path is none of these.
        CheckpointError: there is no checkpoint yet, it holds no adapter, or its files are damaged.
        AdapterError: the adapter is of another method.
    """
    folder = find_adapter_folder(path)
    if (folder / RANK_PATTERN).is_file():
        return _read_pattern(folder)
    if not is_run(folder) and (folder / ADAPTER_CONFIG).is_file():
        return _read_peft(folder)
    raise CheckpointError(f"{folder} has no {RANK_PATTERN}: nothing there was adapted")


def find_adapter_folder(path: Path) -> Path:
    """A run's checkpoint, or the folder itself where it is an adapter's or a model's.

    Raises:
        RunDirError: it is none of these.
        CheckpointError: there is no such checkpoint, or none yet.
    """
    if is_run(path):
        return find_checkpoint(path)
    if not any((path / name).is_file() for name in (ADAPTER_CONFIG, FULL_MODEL_CONFIG)):
        raise RunDirError(describe_no_adapter(path))
    return path


def split_path(path: str) -> tuple[str, int | None, str]:
    """`bert.encoder.layer.3.intermediate` -> (`bert.encoder.layer`, 3, `intermediate`)."""
    found = re.match(r"^(.*?)\.(\d+)\.(.+)$", path)
    return ("", None, path) if found is None else (found[1], int(found[2]), found[3])


def _read_pattern(folder: Path) -> RankReport:
    path = folder / RANK_PATTERN
    try:
        pattern = read_json(path)
        matrices = [
            _build_matrix(name, UpdateShape(*(int(each[key]) for key in ("rank", *SIDES))))
            for name, each in pattern["matrices"].items()
        ]
        report = RankReport(str(folder), str(pattern["type"]), int(pattern["r"]), matrices)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if is_run(folder):
            raise CheckpointError(f"{folder} is damaged: {RANK_PATTERN} cannot be read") from error
        needed = f"type, r, and matrices with rank, {' and '.join(SIDES)}"
        raise CheckpointError(f"{path} is not one of qarank's: {needed} are read") from error
    if not is_run(folder):
        _check_fit(path, report)
    return report


def _check_fit(path: Path, report: RankReport) -> None:
    """Refuse a pattern that is not of the adapter beside it; a checkpoint's manifest sees to it."""
    weights = path.with_name(ADAPTER_WEIGHTS)
    if not weights.is_file():
        return
    with naming_folder(path.parent):
        updates = read_update_shapes(read_shapes(weights))
    told = report.ranks
    for name in [*told, *updates]:
        found = updates[name].rank if name in updates else 0
        if told.get(name, 0) != found:
            raise CheckpointError(
                f"{path} is not of the adapter beside it: it gives {name} rank "
                f"{told.get(name, 0)}, {ADAPTER_WEIGHTS} has {found}"
            )


def _read_peft(folder: Path) -> RankReport:
    try:
        config = read_json(folder / ADAPTER_CONFIG)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / ADAPTER_CONFIG} cannot be read: {error}") from error
    kind = config.get("peft_type")
    if kind not in PEFT_TYPES:
        allowed = " and ".join(PEFT_TYPES)
        raise AdapterError(f"{folder / ADAPTER_CONFIG}: peft_type is {kind!r}; {allowed} are read")
    with naming_folder(folder):
        shapes = read_shapes(folder / ADAPTER_WEIGHTS)
        updates = read_update_shapes(shapes)
    matrices = [_build_matrix(path, shape) for path, shape in updates.items()]
    if not matrices:
        raise CheckpointError(f"{folder / ADAPTER_WEIGHTS} holds no low-rank update")
    matrices.sort(key=lambda matrix: (matrix.stack, -1 if matrix.layer is None else matrix.layer))
    asked = config.get("init_r" if kind == "ADALORA" else "r")
    most = max(matrix.rank for matrix in matrices)
    r = max(most, asked if isinstance(asked, int) else 0)
    return RankReport(str(folder), kind, r, matrices, describe_rest(config, shapes))


def _build_matrix(path: str, shape: UpdateShape) -> MatrixRank:
    stack, layer, name = split_path(path)
    return MatrixRank(
        path=path,
        stack=stack,
        layer=layer,
        name=name,
        rank=shape.rank,
        parameters=shape.rank * (shape.in_features + shape.out_features),
        in_features=shape.in_features,
        out_features=shape.out_features,
    )
