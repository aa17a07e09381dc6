import csv
import gzip
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.errors import DataError
from qarank.squad.contexts import Question
from qarank.squad.examples import Example
from qarank.squad.question_file import (
    check_question,
    collect_questions,
    read_context,
    read_questions,
    take_questions,
)
from qarank.squad.rows import Row

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
    expected = [Question(row["id"], row["question"], (row["context"],)) for row in ROWS]
    assert read_questions(str(path)) == expected


def test_standard_input_holds_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.BytesIO(TEXTS["rows.jsonl"].encode())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=content))
    assert [question.id for question in read_questions("-")] == ["a", "b"]


def test_gold_answers_of_a_squad_file_are_not_looked_at(tmp_path: Path) -> None:
    document = json.loads(json.dumps(SQUAD))
    document["data"][0]["paragraphs"][0]["qas"][0]["answers"] = "withheld"
    questions = read_questions(write(tmp_path, "test.json", json.dumps(document)))
    assert [question.id for question in questions] == ["a", "b"]


@pytest.mark.parametrize("missing", [{}, {"id": None}, {"id": ""}])
def test_questions_without_an_id_are_numbered_from_0(missing: dict[str, Any]) -> None:
    rows = [{"question": "q", "context": "c", **given} for given in ({"id": 7}, missing, missing)]
    questions = collect_questions(Row("x", row, "flat") for row in rows)
    assert [question.id for question in questions] == ["7", "1", "2"]


def test_a_cell_may_be_longer_than_csvs_own_limit_which_stays(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    book = "word " * 40_000
    path = write(tmp_path, "q.csv", write_csv([{"question": "q", "context": book}]))
    assert read_questions(path)[0].contexts == (book,)
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
        questions = read_questions(write(folder, name, text))
        assert [(asked.question, *asked.contexts) for asked in questions] == pairs


SEVERAL = [
    {"id": "a", "question": "Where?", "contexts": ["In Oslo.", "In Rome.", "In Oslo."]},
    {"id": "b", "question": "Who?", "contexts": ["Ann."]},
]


@pytest.mark.parametrize("name", ["q.json", "q.jsonl", "q.csv", "q.parquet"])
def test_a_record_may_have_a_list_of_contexts(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(SEVERAL), path)
    elif name.endswith("csv"):
        path.write_text(write_csv(SEVERAL))  # a list as Python writes it
    else:
        lines = "\n".join(map(json.dumps, SEVERAL))
        path.write_text(lines if name.endswith("jsonl") else json.dumps(SEVERAL))
    asked = read_questions(str(path))
    assert asked == [
        Question("a", "Where?", ("In Oslo.", "In Rome.", "In Oslo.")),
        Question("b", "Who?", ("Ann.",)),
    ]


def test_a_table_may_have_one_context_here_and_several_there(tmp_path: Path) -> None:
    rows = [{"question": "q", "context": "c", "contexts": None}]
    rows.append({"question": "r", "context": None, "contexts": ["d", "e"]})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "q.parquet")
    asked = read_questions(str(tmp_path / "q.parquet"))
    assert [question.contexts for question in asked] == [("c",), ("d", "e")]


def test_csv_rows_of_one_id_and_question_are_one_question_where_it_first_stands(
    tmp_path: Path,
) -> None:
    text = "id,question,context\na,q,c0\n,q,c1\nb,r,c0\na,q,c2\n,q,c1\n"
    assert read_questions(write(tmp_path, "q.csv", text)) == [
        Question("a", "q", ("c0", "c2")),
        Question("1", "q", ("c1",)),  # a number is no id: such rows stay apart
        Question("b", "r", ("c0",)),
        Question("4", "q", ("c1",)),
    ]


def test_contexts_beside_a_paragraphs_own_are_not_looked_at(tmp_path: Path) -> None:
    document = json.loads(json.dumps(SQUAD))
    document["data"][0]["paragraphs"][0]["qas"][0]["contexts"] = ["other"]
    asked = read_questions(write(tmp_path, "test.json", json.dumps(document)))
    assert asked[0].contexts == (ROWS[0]["context"],)


def test_a_program_asks_records_examples_and_questions() -> None:
    question = Question("a", "", ("c", "d"))  # as it is: evaluation data may have odd ones
    example = Example("b", "t", "c", "q", ("c",), (0,))
    record = {"question": "q", "contexts": ["c", "d"]}
    expected = [question, Question("b", "q", ("c",)), Question("2", "q", ("c", "d"))]
    assert take_questions([question, example, record]) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"question": "q"}], r"^questions\[0\] has no key context"),
        (["q"], r'^questions\[0\] is the text "q"; it must be an object'),
        ([Question("a", "q", ("c",))] * 2, r"^questions\[1\] repeats questions\[0\]: the id a"),
        (
            [Question("a", "q", ("c",)), Question("a", "q", ("d",))],
            r"questions\[1\] has the id a, as has questions\[0\]; ids must differ",
        ),
    ],
)
def test_what_a_program_asks_is_checked(given: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        take_questions(given)


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
    "bad.jsonl": (
        f"{GOOD}\n{GOOD[:-1]}",
        r"bad\.jsonl: line 2 is not JSON: .* at column 33, and there the text ends$",
    ),
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
        r"line 2 has the id 1, as has \S*twice\.jsonl: line 1; ids must differ, and a row without"
        r" one has its number, from 0$",
    ),
    "again.jsonl": (
        '{"id": 1, "question": "q", "context": "c"}\n{"id": 1, "question": "q", "context": "d"}',
        r"line 2 has the id 1, .*from 0; several contexts of one question are a list, contexts$",
    ),
    "other.csv": ("id,question,context\na,q,c\na,r,d", r"line 3 has the id a, as has .*line 2"),
    "repeats.csv": (
        "id,question,context\na,q,c\na,q,d\na,q,c",
        r"line 4 repeats \S*repeats\.csv: line 2: the id a, question and context$",
    ),
    "both.jsonl": (
        '{"question": "q", "context": "c", "contexts": ["d"]}',
        r"line 1 has both context and contexts; it must have one of them",
    ),
    "no_list.jsonl": (
        '{"question": "q", "contexts": "d"}',
        r'line 1\.contexts is the text "d"; it must be a list',
    ),
    "no_texts.jsonl": ('{"question": "q", "contexts": []}', r"line 1\.contexts is an empty list"),
    "number.jsonl": (
        '{"question": "q", "contexts": ["c", 5]}',
        r"line 1\.contexts\[1\] is the number 5; it must be text",
    ),
    "blanks.jsonl": (
        '{"question": "q", "contexts": ["c", " "]}',
        r"line 1\.contexts\[1\] is empty; it must be text",
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
    expected = Question(id="0", question="Where?", contexts=("Here.",))
    assert check_question(row, number=0, where="x") == expected


def test_a_context_file_is_read_as_it_is_and_must_not_be_empty(tmp_path: Path) -> None:
    assert read_context(Path(write(tmp_path, "page.txt", " a\r\nb\n"))) == " a\r\nb\n"
    with pytest.raises(DataError, match=r"page\.txt is empty; it must hold the passage"):
        read_context(Path(write(tmp_path, "page.txt", "\n")))
