import csv
import json
from pathlib import Path
from typing import Any

import pytest

from qarank.artifacts.answer_file import check_answer_file, write_answers
from qarank.errors import DataError, RunError

ANSWERS: list[dict[str, Any]] = [
    {"id": "a", "question": "Who?", "answer": 'Zoë, "the\ncook"', "start": 0, "nbest": [{}]},
    {"id": "b", "question": "Why?", "answer": "", "start": -1, "nbest": []},
]


def test_json_lines_hold_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "answers.jsonl"
    write_answers(path, ANSWERS)
    assert [json.loads(line) for line in path.read_text("utf-8").splitlines()] == ANSWERS
    assert [entry.name for entry in path.parent.iterdir()] == ["answers.jsonl"]


def test_json_has_run_qas_shape(tmp_path: Path) -> None:
    write_answers(tmp_path / "p.json", ANSWERS)
    expected = {"a": 'Zoë, "the\ncook"', "b": ""}
    assert json.loads((tmp_path / "p.json").read_text("utf-8")) == expected


def test_csv_reads_back_without_the_candidates(tmp_path: Path) -> None:
    write_answers(tmp_path / "p.csv", ANSWERS)
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"id": "a", "question": "Who?", "answer": 'Zoë, "the\ncook"', "start": "0"}
    assert rows[1]["answer"] == ""


def test_a_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    check_answer_file(path, overwrite=False, with_nbest=False)
    path.write_text("mine")
    with pytest.raises(DataError, match=r"p\.json is there already; --overwrite replaces it"):
        check_answer_file(path, overwrite=False, with_nbest=False)
    check_answer_file(path, overwrite=True, with_nbest=False)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "with_nbest", "message"),
    [
        ("p.txt", False, r"must end in \.jsonl, \.json, \.csv"),
        ("p.csv", True, r"one answer a question; candidates go to a \.jsonl file"),
        ("folder.json", False, "is a folder"),
    ],
)
def test_a_place_that_does_not_do_is_told_beforehand(
    tmp_path: Path, name: str, with_nbest: bool, message: str
) -> None:
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(DataError, match=message):
        check_answer_file(tmp_path / name, overwrite=True, with_nbest=with_nbest)


def test_a_failed_write_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"p\.json cannot be written"):
        write_answers(tmp_path / "file" / "p.json", ANSWERS)
