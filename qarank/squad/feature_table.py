"""Features in columns: ragged, flat numpy arrays, in memory or mapped from one Arrow file.

Dims: num_features; num_tokens: over all features.
The file is Arrow IPC with one record batch. Beside it lies its sha256, compared before Arrow sees
the file: Arrow believes the sizes it reads, and a damaged one would end the process.
"""

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qarank.errors import DataError, RunError

FORMAT = "qarank-features-2"
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
        digest = _digest(beside)
        beside.replace(path)
        _digest_path(path).write_text(digest, encoding="ascii")  # without it, the file is no good
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        reason = error.strerror or error
        raise RunError(f"{path}: the features cannot be written ({reason})") from error


def delete_parts(path: Path) -> None:
    """Delete what killed processes wrote beside path; nobody may be writing there."""
    for part in path.parent.glob(f"{path.name}.*.part"):
        with contextlib.suppress(OSError):  # in nobody's way
            part.unlink()


def read_table(path: Path) -> FeatureTable:
    """Map the file into memory; nothing is copied.

    Raises:
        DataError: the file is missing, damaged or of another format.
    """
    try:
        whole = _digest_path(path).read_bytes() == _digest(path).encode()
    except OSError as error:
        raise DataError(f"{path} is no whole feature file: it or its digest is missing") from error
    if not whole:
        raise DataError(f"{path} is damaged: its digest does not fit")
    with pa.memory_map(str(path)) as source:
        batch = pa.ipc.open_file(source).get_batch(0)
    stored = batch.schema.metadata[b"format"].decode()
    if stored != FORMAT:
        raise DataError(f"{path} has the format {stored}; this version reads {FORMAT}")
    return _from_batch(batch)


def _digest_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
