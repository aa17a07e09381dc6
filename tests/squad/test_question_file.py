import csv
import gzip
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.errors import DataError
from qarank.squad.examples import Example
from qarank.squad.question_file import (
    check_question,
    collect_questions,
    read_context,
    read_questions,
)

ROWS = [
    {"id": "a", "question": "Who ate?", "context": 'Zoë ate, "all" of it.\nThen\u2028left.'},
    {"id": "b", "question": "Where?", "context": "In 東京, of course."},
]
SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "paragraphs": [
                {"context": row["context"], "qas": [{"id": row["id"], "question": row["question"]}]}
                for row in ROWS
            ]
        }
    ],
}


def write_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


TEXTS = {
    "list.json": json.dumps(ROWS, indent=1),
    "squad.json": json.dumps(SQUAD),
    "rows.jsonl": "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n\n",
    "rows.csv": write_csv(ROWS),
    "excel.csv": "\ufeff" + write_csv([{"note": "", **row} for row in ROWS]) + "\r\n",
}


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_bytes(text.encode())
    return str(path)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", TEXTS)
def test_every_shape_gives_the_same_questions(tmp_path: Path, name: str, packed: bool) -> None:
    content = TEXTS[name].encode()
    path = tmp_path / (name + ".gz" if packed else name)
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    assert read_questions(str(path)) == [Example(title="", **row) for row in ROWS]


def test_standard_input_holds_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.BytesIO(TEXTS["rows.jsonl"].encode())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=content))
    assert [example.id for example in read_questions("-")] == ["a", "b"]


def test_gold_answers_of_a_squad_file_are_not_looked_at(tmp_path: Path) -> None:
    document = json.loads(json.dumps(SQUAD))
    document["data"][0]["paragraphs"][0]["qas"][0]["answers"] = "withheld"
    examples = read_questions(write(tmp_path, "test.json", json.dumps(document)))
    assert [example.answers for example in examples] == [(), ()]


@pytest.mark.parametrize("missing", [{}, {"id": None}, {"id": ""}])
def test_questions_without_an_id_are_numbered_from_0(missing: dict[str, Any]) -> None:
    rows = [{"question": "q", "context": "c", **given} for given in ({"id": 7}, missing, missing)]
    examples = collect_questions([("x", row) for row in rows], "x")
    assert [example.id for example in examples] == ["7", "1", "2"]


def test_a_cell_may_be_longer_than_csvs_own_limit_which_stays(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    book = "word " * 40_000
    path = write(tmp_path, "q.csv", write_csv([{"question": "q", "context": book}]))
    assert read_questions(path)[0].context == book
    assert csv.field_size_limit() == limit


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        ).filter(lambda pair: all(text.strip() for text in pair)),
        min_size=1,
        max_size=4,
    )
)
def test_any_text_comes_back_from_json_lines_and_csv(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    rows = [{"question": question, "context": context} for question, context in pairs]
    folder = tmp_path_factory.mktemp("any")
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    for name, text in (("q.jsonl", lines), ("q.csv", write_csv(rows))):
        examples = read_questions(write(folder, name, text))
        assert [(example.question, example.context) for example in examples] == pairs


GOOD = '{"question": "q", "context": "c"}'
FAULTS = {
    "q.txt": ("q", r'q\.txt is no JSON, Parquet or CSV of questions: its first line is "q"; acc'),
    "empty.json": (" \n", r"empty\.json is empty; accepted is records with question, context and"),
    "none.json": ("[]", r"none\.json holds no questions"),
    "blank.jsonl": ("", r"blank\.jsonl is empty"),
    "header.csv": ("question,context\n", r"header\.csv holds no questions"),
    "object.json": ('{"a": 1}', r"is JSON but not SQuAD: found an object with keys a; accepted"),
    "rows.json": ("[1]", r"\[0\] is the number 1; it must be an object with the key question"),
    "nested.json": ('{"data": {}}', r'found an object with no keys under "data"; accepted'),
    "qas.json": (
        '{"data": [{"paragraphs": [{"context": "c", "qas": [5]}]}]}',
        r"data\[0\]\.paragraphs\[0\]\.qas\[0\] is the number 5",
    ),
    "bad.jsonl": (f"{GOOD}\n{GOOD[:-1]}", r"bad\.jsonl: line 2 is not JSON: .* at column 33$"),
    "gap.jsonl": (f'\n{GOOD}\n{{"question": "q"}}', r"line 3 has no key context; it is an object"),
    "kind.jsonl": ('{"question": 5, "context": "c"}', r"line 1\.question is the number 5; it must"),
    "void.jsonl": ('{"question": " ", "context": "c"}', r"line 1\.question is empty"),
    "passage.jsonl": ('{"question": "q", "context": ""}', r"line 1\.context is empty"),
    "id.jsonl": (
        '{"id": true, "question": "q", "context": "c"}',
        r"line 1\.id is true; it must be text",
    ),
    "half.jsonl": (r'{"question": "\ud800", "context": "c"}', "holds half a surrogate pair"),
    "twice.jsonl": (
        '{"id": 1, "question": "q", "context": "c"}\n' + GOOD,
        r"line 2 has the id 1, as has \S*twice\.jsonl: line 1; ids must differ",
    ),
    "column.csv": ("question,passage\nq,c", r"no column context; it has question, passage"),
    "columns.csv": ("question,context,id,id\n", r"has 2 columns id; one is allowed"),
    "cells.csv": ('question,context\n"q\nq",c\n\nq\n', r"line 5 has 1 cells; the header has 2"),
    "quote.csv": ('question,context\nq,"c', r"quote\.csv: line 2 is not CSV"),
    "cell.csv": ("question,context\n,c", r"line 2\.question is empty"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_with_its_place(tmp_path: Path, name: str) -> None:
    text, message = FAULTS[name]
    with pytest.raises(DataError, match=message) as raised:
        read_questions(write(tmp_path, name, text))
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(DataError, match=r"^gone\.csv does not exist$"):
        read_questions("gone.csv")


def test_a_question_of_two_texts_needs_no_file() -> None:
    row = {"question": "Where?", "context": "Here."}
    expected = Example(id="0", title="", context="Here.", question="Where?")
    assert check_question(row, number=0, where="x") == expected


def test_a_context_file_is_read_as_it_is_and_must_not_be_empty(tmp_path: Path) -> None:
    assert read_context(Path(write(tmp_path, "page.txt", " a\r\nb\n"))) == " a\r\nb\n"
    with pytest.raises(DataError, match=r"page\.txt is empty; it must hold the passage"):
        read_context(Path(write(tmp_path, "page.txt", "\n")))
