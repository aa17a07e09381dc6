import json
from pathlib import Path

import pytest

from qarank.artifacts.round_file import read_rounds
from qarank.errors import CheckpointError

ROUNDS = [
    {"global_step": step, "budget": 4, "threshold": 0.5, "ranks": {"q": 4}, "revived": 0}
    for step in (2, 4, 6)
]
TEXT = "".join(json.dumps(line) + "\n" for line in ROUNDS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ranks.jsonl"
    path.write_text(TEXT)
    return path


def test_rounds_come_as_they_were_written(file: Path) -> None:
    assert read_rounds(file) == ROUNDS


def test_a_checkpoints_past_ends_with_its_step(file: Path) -> None:
    assert read_rounds(file, until=4) == ROUNDS[:2]


def test_a_run_without_rounds_has_none(tmp_path: Path) -> None:
    assert read_rounds(tmp_path / "ranks.jsonl") == []


def test_a_line_that_is_still_being_written_is_left_out(file: Path) -> None:
    file.write_text(TEXT + '{"global_step": 8, "bud')
    assert read_rounds(file) == ROUNDS


@pytest.mark.parametrize("line", ["{", "[]", "3", '{"global_step": 8}', '{"budget": 1}'])
def test_a_line_that_is_no_round_is_told_by_its_number(line: str, file: Path) -> None:
    file.write_text(f"{TEXT}{line}\n")
    with pytest.raises(CheckpointError, match="line 4 is no round"):
        read_rounds(file)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "ranks.jsonl"
    path.write_bytes(b"\xff\n")
    with pytest.raises(CheckpointError, match=r"ranks\.jsonl cannot be read"):
        read_rounds(path)
