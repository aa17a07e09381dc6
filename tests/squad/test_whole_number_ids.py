"""An id that is a whole number is its digits, in files to train on as in files of questions."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qarank.squad.question_file import read_questions
from qarank.squad.sources import load_examples

QUESTIONS: list[dict[str, Any]] = [{"id": n, "question": "Where?", "answers": []} for n in (7, -1)]
RECORDS = [each | {"context": "In Ulm."} for each in QUESTIONS]


def write(path: Path, form: str) -> None:
    if form == "parquet":
        pq.write_table(
            pa.Table.from_pylist([each | {"answers": ["Ulm"]} for each in RECORDS]), path
        )
        return
    texts = {
        "list": json.dumps(RECORDS),
        "lines": "\n".join(map(json.dumps, RECORDS)),
        "nested": json.dumps([{"paragraphs": [{"context": "In Ulm.", "qas": QUESTIONS}]}]),
    }
    path.write_text(texts[form])


@pytest.mark.parametrize("form", ["list", "lines", "nested", "parquet"])
def test_ids_are_read_alike_in_every_form(form: str, tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    write(path, form)
    assert [example.id for example in load_examples(str(path), "train")] == ["7", "-1"]
    assert [question.id for question in read_questions(str(path))] == ["7", "-1"]
