import csv
import errno
import json
import os
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


def test_csv_has_a_column_that_only_some_answers_have(tmp_path: Path) -> None:
    rows = [{"id": "a", "null_odds": 1.0}, {"id": "b", "null_odds": 2.0, "context": 1}]
    write_answers(tmp_path / "p.csv", rows)
    assert (tmp_path / "p.csv").read_text("utf-8") == "id,null_odds,context\na,1.0,\nb,2.0,1\n"


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


@pytest.mark.parametrize("name", ["p.jsonl", "p.json", "p.csv"])
def test_a_write_that_fails_half_way_leaves_the_old_file_and_no_other(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text("old")

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunError, match=rf"{name} cannot be written.*No space left"):
        write_answers(tmp_path / name, ANSWERS)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "old"


def test_a_folder_nothing_can_be_written_in_is_told_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"p\.json cannot be written: .*file is no folder"):
        check_answer_file(tmp_path / "file" / "p.json", overwrite=False, with_nbest=False)
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(DataError, match="cannot be written: nothing may be written in"):
        check_answer_file(tmp_path / "new" / "p.json", overwrite=False, with_nbest=False)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"p\.json cannot be written"):
        write_answers(tmp_path / "file" / "p.json", ANSWERS)
