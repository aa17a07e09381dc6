"""Features in columns: ragged, flat numpy arrays, in memory or mapped from one Arrow file.

Dims: num_features; num_tokens: over all features.
The file is Arrow IPC with one record batch; its schema carries counts and a checksum, so a file
that was cut short or damaged is never taken for a whole one.
"""

import os
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qarank.errors import DataError, RunError

FORMAT = "qarank-features-1"
TOKEN_COLUMNS = ("input_ids", "token_type_ids", "offset_starts", "offset_ends")
FEATURE_COLUMNS = ("example_index", "cls_position", "start_positions", "end_positions")


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """All features of a data set, in example order, windows left to right.

    Attributes:
        input_ids: (num_tokens,) int32.
        row_offsets: (num_features + 1,) int64; feature i is tokens row_offsets[i]..[i + 1].
        token_type_ids: (num_tokens,) int8; None if the model takes none.
        offset_starts: (num_tokens,) int32 code points into the context, trimmed of white space;
            -1 where the token is not context.
        offset_ends: (num_tokens,) int32, likewise.
        example_index: (num_features,) int32, never falling.
        cls_position: (num_features,) int32 token that stands for "no answer".
        start_positions: (num_features,) int32 first token of the first gold answer; cls_position
            if the window does not hold all of it.
        end_positions: (num_features,) int32 last token of it, likewise.
        cut_questions: (num_cut,) int32 examples whose question was too long and lost its end.
    """

    input_ids: NDArray[np.int32]
    row_offsets: NDArray[np.int64]
    token_type_ids: NDArray[np.int8] | None
    offset_starts: NDArray[np.int32]
    offset_ends: NDArray[np.int32]
    example_index: NDArray[np.int32]
    cls_position: NDArray[np.int32]
    start_positions: NDArray[np.int32]
    end_positions: NDArray[np.int32]
    cut_questions: NDArray[np.int32]

    def __len__(self) -> int:
        """Number of features."""
        return len(self.example_index)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(num_features,) tokens of each feature."""
        return np.diff(self.row_offsets)


def write_table(table: FeatureTable, path: Path) -> None:
    """Write beside path, then rename: a reader sees the whole file or none.

    Raises:
        RunError: the disk is full, or the folder cannot be written.
    """
    batch = _to_batch(table)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pa.OSFile(str(beside), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        reason = error.strerror or error
        raise RunError(f"{path}: the features cannot be written ({reason})") from error


def read_table(path: Path) -> FeatureTable:
    """Map the file into memory; nothing is copied.

    Raises:
        DataError: the file is missing, damaged or of another format.
    """
    try:
        with pa.memory_map(str(path)) as source:
            batch = pa.ipc.open_file(source).get_batch(0)
        table = _from_batch(batch)
        stored = batch.schema.metadata[b"checksum"].decode()
    except (OSError, pa.ArrowException, KeyError, IndexError, ValueError, TypeError) as error:
        raise DataError(f"{path} is no whole feature file") from error
    if stored != _checksum(table):
        raise DataError(f"{path} is damaged: its checksum does not fit")
    return table


def _to_batch(table: FeatureTable) -> pa.RecordBatch:
    offsets = pa.array(table.row_offsets)
    columns: dict[str, Any] = {}
    for name in TOKEN_COLUMNS:
        values = getattr(table, name)
        if values is not None:
            columns[name] = pa.LargeListArray.from_arrays(offsets, pa.array(values))
    for name in FEATURE_COLUMNS:
        columns[name] = pa.array(getattr(table, name))
    metadata = {
        "format": FORMAT,
        "checksum": _checksum(table),
        "cut_questions": " ".join(map(str, table.cut_questions.tolist())),
    }
    batch = pa.RecordBatch.from_pydict(columns)
    return batch.replace_schema_metadata(metadata)


def _from_batch(batch: pa.RecordBatch) -> FeatureTable:
    names = batch.schema.names
    tokens: dict[str, Any] = {
        name: _view(batch.column(name).values) if name in names else None for name in TOKEN_COLUMNS
    }
    cut = batch.schema.metadata[b"cut_questions"].split()
    return FeatureTable(
        row_offsets=_view(batch.column("input_ids").offsets),
        cut_questions=np.array([int(number) for number in cut], dtype=np.int32),
        **tokens,
        **{name: _view(batch.column(name)) for name in FEATURE_COLUMNS},
    )


def _view(column: Any) -> NDArray[Any]:
    view: NDArray[Any] = column.to_numpy(zero_copy_only=True)
    return view


def _checksum(table: FeatureTable) -> str:
    """A checksum over format, counts and every array, byte for byte."""
    total = zlib.crc32(FORMAT.encode())
    for field in fields(table):
        values = getattr(table, field.name)
        size = -1 if values is None else len(values)
        total = zlib.crc32(f"{field.name} {size}".encode(), total)
        if values is not None:
            total = zlib.crc32(np.ascontiguousarray(values).data, total)
    return f"{len(table)} features, crc32 {total:08x}"
