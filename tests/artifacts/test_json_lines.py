import json
from pathlib import Path

import pytest

from qarank.artifacts import json_lines
from qarank.artifacts.json_lines import read_json_lines, read_latest_lines
from qarank.errors import RunDirError


def write(path: Path, count: int) -> list[dict[str, int]]:
    lines = [{"global_step": step} for step in range(count)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return lines


def test_no_file_has_no_lines(tmp_path: Path) -> None:
    assert read_json_lines(tmp_path / "a") == read_latest_lines(tmp_path / "a") == []


def test_a_line_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = write(path, 3)
    with path.open("a") as file:
        file.write('{"global_st')
    assert read_json_lines(path) == read_latest_lines(path) == lines


@pytest.mark.parametrize("tail", range(1, 90))
def test_the_latest_lines_are_whole_ones_wherever_the_tail_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tail: int
) -> None:
    path = tmp_path / "a.jsonl"
    lines = write(path, 12)
    monkeypatch.setattr(json_lines, "TAIL_BYTES", tail)
    found = read_latest_lines(path)
    assert found == lines[len(lines) - len(found) :]
    assert len(found) >= tail // 20 - 1  # a line has at most 20 bytes


@pytest.mark.parametrize("line", ["{", "3", "[]", "\ufffd"])
def test_a_damaged_line_is_told(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(RunDirError, match=r"a\.jsonl is damaged"):
        read_json_lines(path)
