"""Every kind of file, by its content: what is read of it, and what is said of one that is none."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qarank.errors import DataError
from qarank.squad.columns import USUAL, Columns
from qarank.squad.record_file import read_rows
from qarank.squad.rows import Row

RECORDS = [
    {"id": "a", "question": "Who, then?", "context": 'Zoë ate "all".\n東京', "answers": ["Zoë"]},
    {"id": "b", "question": "Where?", "context": "In Ulm\t;", "answers": []},
]
NESTED = [{"paragraphs": [{"context": "x", "qas": [{"id": "a", "question": "?", "answers": []}]}]}]


def as_parquet(folder: Path) -> bytes:
    path = folder / "made"
    pq.write_table(pa.Table.from_pylist(RECORDS), path)
    return path.read_bytes()


def dump(value: object, **how: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, **how).encode()


KINDS: dict[str, bytes] = {
    "a list": dump(RECORDS),
    "a list over lines": dump(RECORDS, indent=1),
    "data": dump({"version": 1, "data": RECORDS}),
    "records": dump({"records": RECORDS}, indent=2),
    "json lines": b"\n".join(dump(record) for record in RECORDS),
    "json lines with gaps": b"\n \n" + b"\r\n\n".join(dump(r) for r in RECORDS) + b"\n\n",
}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., list[Row]]:
    """Reads content as a file of no telling name."""

    def read_content(
        content: bytes, columns: Columns = USUAL, *, labelled: bool = True
    ) -> list[Row]:
        path = tmp_path / "d"
        path.write_bytes(content)
        return list(read_rows(path, columns, labelled=labelled))

    return read_content


def values_of(rows: list[Row]) -> list[object]:
    return [row.values for row in rows]


@pytest.mark.parametrize("encode", [bytes, gzip.compress, lambda text: b"\xef\xbb\xbf" + text])
@pytest.mark.parametrize("kind", KINDS)
def test_records_are_read_from_json_of_any_shape(
    read: Callable[..., list[Row]], kind: str, encode: Callable[[bytes], bytes]
) -> None:
    rows = read(encode(KINDS[kind]))
    assert values_of(rows) == RECORDS
    assert {row.form for row in rows} == {"flat"}


@pytest.mark.parametrize("encode", [bytes, gzip.compress])
def test_parquet_is_read_plain_and_packed(
    read: Callable[..., list[Row]], encode: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    assert values_of(read(encode(as_parquet(tmp_path)))) == RECORDS


@pytest.mark.parametrize("document", [NESTED, {"version": "v2.0", "data": NESTED}])
def test_articles_are_walked_to_their_questions(
    read: Callable[..., list[Row]], document: object
) -> None:
    (row,) = read(dump(document))
    assert row.form == "nested"
    assert row.values == {"id": "a", "question": "?", "answers": [], "context": "x", "title": ""}


def test_one_record_is_json_lines_of_one(read: Callable[..., list[Row]]) -> None:
    assert values_of(read(dump(RECORDS[0]))) == RECORDS[:1]
    assert values_of(read(dump(RECORDS[0], indent=1))) == RECORDS[:1]


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_a_table_may_have_commas_tabs_or_semicolons(
    read: Callable[..., list[Row]], delimiter: str
) -> None:
    header = delimiter.join(["question", "context", "answers"])
    (row,) = read(f'{header}\r\n"a{delimiter}""b""",c,[]\r\n'.replace(",", delimiter).encode())
    assert row.form == "cells"
    assert row.values == {"question": f'a{delimiter}"b"', "context": "c", "answers": "[]"}


def test_places_are_lines_or_numbers(read: Callable[..., list[Row]], tmp_path: Path) -> None:
    path = tmp_path / "d"

    def places(content: bytes) -> list[str]:
        return [row.where.removeprefix(f"{path}: ") for row in read(content)]

    assert places(KINDS["a list"]) == ["[0]", "[1]"]
    assert places(KINDS["data"]) == ["data[0]", "data[1]"]
    assert places(KINDS["json lines with gaps"]) == ["line 3", "line 5"]
    assert places(as_parquet(tmp_path)) == ["[0]", "[1]"]
    table = b'question,context,answers\n"over\ntwo",c,\n\n,,\nq,c,\n'
    assert places(table) == ["line 2", "line 6"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", " is empty; accepted is records with id, question, context and answers, or SQuAD's"),
        (b" \n\n", " is empty; accepted is"),
        (b"\xef\xbb\xbf", " is empty; accepted is"),
        (b"PK\x03\x04rest", " is a zip archive (or a spreadsheet): unpack it and name the file in"),
        (b"\xff\xfea\0", " is UTF-16 text: save it as UTF-8"),
        (b"PAR1 and no more PAR1", " is damaged Parquet ("),
        (b'{"data": [\n  1,\n  oops]}', " is not JSON: Expecting value at line 3 column 3"),
        (b'{"data": []}\n{"data": []}', " is not JSON: Extra data at line 2 column 1"),
        (b'{"a": "\xff"}', " is no UTF-8 text: see byte 7"),
        (b"[" * 200_000, " is not JSON that can be read (maximum recursion depth"),
        (b"[" + b"9" * 5000 + b"]", " is not JSON that can be read (Exceeds the limit"),
        (b"once upon a time", " is no JSON, Parquet or CSV of questions: its first line is "),
        (b"id,question\n1,who", " has no column context, answers (or answer_text); it has id, que"),
        (b"question,context,answers,question\n", " has 2 columns question; one is allowed"),
        (b"question,context,answers\n\nq,c\n", ": line 3 has 2 cells; the header has 3"),
        (b'question,context,answers\nq,c,\nq,"c,[]\n', ": line 3 is not CSV (unexpected end of"),
        (b"question,context,answers\nq,c\xff,\n", ": line 2 is no UTF-8 text: see byte 3"),
        (b'"question"x,context\n', ": line 1 is not CSV ("),
        (b",,\n,,\n", " is no JSON, Parquet or CSV of questions: its first line is"),
        (
            b'{"context": "c"}\n{"context" "c"}',
            ": line 2 is not JSON: Expecting ':' delimiter at c",
        ),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(
    read: Callable[..., list[Row]], tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(content)
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / 'd'}{message}")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ([{"a": 1, "b": 2}] * 3, "found a list of 3 objects with keys a, b;"),
        ({"rows": []}, "found an object with keys rows;"),
        ({"data": {"x": 1}}, 'found an object with keys x under "data";'),
        ({"data": [{"x": 1}]}, 'found a list of 1 objects with keys x under "data";'),
    ],
)
def test_json_that_is_not_squad_is_described(
    read: Callable[..., list[Row]], document: object, found: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(dump(document))
    assert f" is JSON but not SQuAD: {found}" in str(caught.value)
    assert str(caught.value).endswith(
        '{"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers"}]}]}]}'
    )


def test_a_mapped_name_makes_a_record(read: Callable[..., list[Row]]) -> None:
    content = b'[{"ask": "q", "body": "c"}]'
    assert len(read(content, Columns({"question": "ask", "context": "body"}))) == 1
    with pytest.raises(DataError, match="not SQuAD"):
        read(content)


def test_without_labels_a_table_needs_no_answers(read: Callable[..., list[Row]]) -> None:
    content = b"question,context\nq,c\n"
    assert len(read(content, labelled=False)) == 1
    with pytest.raises(DataError, match=r"has no column answers \(or answer_text\)"):
        read(content)
