import csv

import pytest

from qarank.errors import DataError
from qarank.squad.columns import USUAL, Columns
from qarank.squad.csv_rows import read_cells_of, walk_csv
from qarank.squad.rows import Row

HEADER = b"question,context,answers\n"


def walk(content: bytes, columns: Columns = USUAL) -> list[Row]:
    lines = content.splitlines(keepends=True)
    return list(walk_csv(lines, columns, "d.csv", labelled=True))


def test_a_cell_may_be_longer_than_csvs_own_limit_which_stays() -> None:
    limit = csv.field_size_limit()
    book = b"word " * 40_000
    (row,) = walk(HEADER + b"q," + book + b",\n")
    assert isinstance(row.values, dict)
    assert row.values["context"] == book.decode()
    assert csv.field_size_limit() == limit


def test_rows_are_read_as_they_come() -> None:
    def lines() -> object:
        yield HEADER
        yield b"q,c,\n"
        raise AssertionError("read ahead")

    rows = walk_csv(lines(), USUAL, "d.csv", labelled=True)  # type: ignore[arg-type]
    assert next(rows).where == "d.csv: line 2"


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        (b"a\tb,c\td\n", ["a", "b,c", "d"]),
        (b"a;b;c,d\n", ["a", "b", "c,d"]),
        (b'"a;b",c,d\n', ["a;b", "c", "d"]),
        (b"\r\n\na,b\n", ["a", "b"]),
    ],
)
def test_what_stands_between_cells_is_what_the_header_has_most(
    text: bytes, cells: list[str]
) -> None:
    ((_, found),) = read_cells_of(text.splitlines(keepends=True), "d")
    assert found == cells


def test_columns_nobody_asked_for_are_not_looked_at() -> None:
    content = b"note,note,body,question,answers\n1,2,c,q,\n"
    (row,) = walk(content, Columns({"context": "body"}))
    assert isinstance(row.values, dict)
    assert row.values["body"] == "c"
    with pytest.raises(DataError, match="has 2 columns note; one is allowed"):
        walk(content, Columns({"context": "body", "title": "note"}))


def test_a_bare_carriage_return_is_told_without_csvs_advice() -> None:
    with pytest.raises(DataError) as caught:
        walk(HEADER + b"q\rq,c,")
    assert str(caught.value).startswith("d.csv: line 2")
    assert "universal-newline" not in str(caught.value)
