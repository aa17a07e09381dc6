"""Rows of a text table with a header: commas, tabs or semicolons between the cells."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from qarank.errors import DataError
from qarank.squad.columns import Columns, check_header
from qarank.squad.record_fields import shorten
from qarank.squad.rows import ACCEPTED, Row
from qarank.squad.text_file import decode_text

DELIMITERS = (",", "\t", ";")
LARGEST_CELL = 2**31 - 1  # characters; csv's own limit is shorter than a book


def walk_csv(
    lines: Iterable[bytes], columns: Columns, name: str, *, labelled: bool
) -> Iterator[Row]:
    """Rows under a header; blank ones are passed over.

    Args:
        lines: of the file, its ends kept.
        columns: which column is which; others are not looked at.
        name: of the file, for messages.
        labelled: whether the columns must have gold answers.

    Raises:
        DataError: it is no such table.
    """
    cells = read_cells_of(lines, name)
    _, header = next(cells, (1, [""]))
    _check_names(header, columns, name, labelled=labelled)
    for line, row in cells:
        where = f"{name}: line {line}"
        if len(row) != len(header):
            raise DataError(f"{where} has {len(row)} cells; the header has {len(header)}")
        yield Row(where, dict(zip(header, row, strict=True)), "cells")


def read_cells_of(lines: Iterable[bytes], name: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the line each begins at; the first is the header.

    Raises:
        DataError: it is not UTF-8, or a quote is not as it should be.
    """
    texts = (
        decode_text(line, f"{name}: line {number}") for number, line in enumerate(lines, start=1)
    )
    head: list[str] = []
    for text in texts:
        head.append(text)
        if text.strip():
            break
    delimiter = max(DELIMITERS, key=head[-1].count)
    reader = csv.reader(_put_back(head, texts), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            with _any_length():
                row = next(reader, None)
        except csv.Error as error:
            reason = str(error).partition(" - ")[0]  # csv's advice is for its caller
            raise DataError(f"{name}: line {line} is not CSV ({reason})") from error
        if row is None:
            return
        if any(row):
            yield line, row
        line = reader.line_num + 1


def _put_back(head: list[str], rest: Iterator[str]) -> Iterator[str]:
    yield from head
    yield from rest


@contextmanager
def _any_length() -> Iterator[None]:
    """Around one reading: csv's limit is one for the whole process."""
    former = csv.field_size_limit(LARGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(former)


def _check_names(header: list[str], columns: Columns, name: str, *, labelled: bool) -> None:
    if len(header) == 1 and not columns.looks_like_record(header):
        raise DataError(
            f"{name} is no JSON, Parquet or CSV of questions: its first line is"
            f" {shorten(header[0])}; accepted is {ACCEPTED[labelled]}"
        )
    found = columns.find(header, name)
    for theirs in found.values():
        if header.count(theirs) > 1:
            raise DataError(f"{name} has {header.count(theirs)} columns {theirs}; one is allowed")
    check_header(header, columns, name, labelled=labelled)
