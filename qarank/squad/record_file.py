"""A file of questions, of whatever kind its content shows it to be, as rows."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from qarank.errors import DataError
from qarank.squad.columns import Columns
from qarank.squad.csv_rows import walk_csv
from qarank.squad.json_rows import walk_json
from qarank.squad.parquet_rows import PARQUET_MAGIC, walk_parquet
from qarank.squad.rows import ACCEPTED, Row
from qarank.squad.text_file import ByteStream, open_unpacked

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
JSON_OPENINGS = (b"{", b"[")
# What people name by mistake, by its first bytes, and what to do about it.
OTHERS = {
    b"PK\x03\x04": "a zip archive (or a spreadsheet): unpack it and name the file in it",
    b"BZh": "a bzip2 archive: unpack it",
    b"\xfd7zXZ": "an xz archive: unpack it",
    b"\x28\xb5\x2f\xfd": "a zstd archive: unpack it",
    b"ARROW1": "an Arrow file: save it as Parquet",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
}


def read_rows(path: Path, columns: Columns, *, labelled: bool) -> Iterator[Row]:
    """Every row of a file, in its order; JSON lines and tables are read as they come.

    Args:
        path: JSON, JSON lines, CSV, TSV or Parquet, plain or gzip, whatever its name.
        columns: which column is which.
        labelled: whether a table must have columns for gold answers.

    Raises:
        DataError: the file cannot be read, or is none of these.
    """
    with open_unpacked(path) as stream:
        yield from walk_stream(stream, columns, str(path), labelled=labelled)


def walk_stream(
    stream: ByteStream, columns: Columns, name: str, *, labelled: bool
) -> Iterator[Row]:
    """As read_rows, of an open stream under a name."""
    start = stream.peek(8)
    for magic, kind in OTHERS.items():
        if start.startswith(magic):
            raise DataError(f"{name} is {kind}")
    if start.startswith(PARQUET_MAGIC):
        yield from walk_parquet(stream, columns, name, labelled=labelled)
        return
    head = _read_head(stream)
    if not head:
        raise DataError(f"{name} is empty; accepted is {ACCEPTED[labelled]}")
    if head[-1].lstrip().startswith(JSON_OPENINGS):
        yield from walk_json(head, stream, columns, name, labelled=labelled)
    else:
        yield from walk_csv(chain(head, stream), columns, name, labelled=labelled)


def _read_head(stream: ByteStream) -> list[bytes]:
    """Lines up to the first with text in it; none where there is no such line."""
    head: list[bytes] = []
    for line in stream:
        head.append(line if head else line.removeprefix(BYTE_ORDER_MARK))
        if head[-1].strip():
            return head
    return []
