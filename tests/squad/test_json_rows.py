import io
import json
from collections.abc import Iterator

import pytest

from qarank.errors import DataError
from qarank.squad.columns import USUAL
from qarank.squad.json_rows import walk_document, walk_json
from qarank.squad.rows import Row

RECORD = {"question": "q", "context": "c", "answers": []}
LINE = json.dumps(RECORD).encode() + b"\n"


def walk(content: bytes) -> Iterator[Row]:
    stream = io.BufferedReader(io.BytesIO(content))
    return walk_json([stream.readline()], stream, USUAL, "d", labelled=True)


def test_lines_are_read_as_they_come() -> None:
    rows = walk(LINE + LINE + b"broken")
    assert [next(rows).where, next(rows).where] == ["d: line 1", "d: line 2"]
    with pytest.raises(DataError, match="^d: line 3 is not JSON"):
        next(rows)


@pytest.mark.parametrize("end", [b"", b"\n", b"\n \n\n"])
def test_a_document_may_be_one_line_and_end_in_blank_ones(end: bytes) -> None:
    document = json.dumps({"data": [RECORD]}).encode()
    assert [row.where for row in walk(document + end)] == ["d: data[0]"]


@pytest.mark.parametrize("first", [LINE[:20], LINE[:16], b'{"question": "q",', b"{broken}"])
@pytest.mark.parametrize("between", [b"\n", b"\r\n", b"\n\n"])
def test_a_first_line_that_is_broken_is_told_where_the_next_is_whole(
    first: bytes, between: bytes
) -> None:
    with pytest.raises(DataError, match=r"^d: line 1 is not JSON: .* at column"):
        list(walk(first + between + LINE + LINE))


@pytest.mark.parametrize("content", [b"[\n" + LINE + b"oops", b'{"data": [\n{"a": 1}\noops'])
def test_a_document_over_lines_that_is_broken_is_told_as_one(content: bytes) -> None:
    with pytest.raises(DataError, match=r"^d is not JSON: .* at line 3 column 1$"):
        list(walk(content))


def test_articles_may_stand_under_any_of_the_keys_or_none() -> None:
    question = {"id": "a", "question": "q", "answers": []}
    articles = [{"paragraphs": [{"context": "c", "qas": [question]}]}]
    for document, place in (
        (articles, "d: [0]"),
        ({"data": articles}, "d: data[0]"),
        ({"records": articles}, "d: records[0]"),
    ):
        (row,) = walk_document(document, USUAL, "d", labelled=True)
        assert row.where == f"{place}.paragraphs[0].qas[0]"


@pytest.mark.parametrize("document", [[], {"data": []}])
def test_no_records_are_no_rows(document: object) -> None:
    assert list(walk_document(document, USUAL, "d", labelled=True)) == []


@pytest.mark.parametrize(
    ("labelled", "accepted"), [(True, "id, question, context and answers"), (False, "if you like")]
)
def test_what_is_accepted_is_told(labelled: bool, accepted: str) -> None:
    with pytest.raises(DataError, match=accepted):
        list(walk_document({"a": 1}, USUAL, "d", labelled=labelled))
