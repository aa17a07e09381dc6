import re
from typing import Any

import pytest

from qarank.cli import render
from qarank.cli.audit_table import print_audit

QUESTIONS = {"number": 29_281, "least": 4, "median": 12, "p95": 20, "most": 46}
TOKENS = {
    "questions": QUESTIONS,
    "contexts": QUESTIONS | {"most": 1_718},
    "answers": QUESTIONS,
    "windowed_share": 0.0101,
}
PATH = "/home/somebody/.cache/qarank/features/" + 64 * "f" + "/audit.json"


def finding(what: str, part: str, *, is_grave: bool = False) -> dict[str, Any]:
    return {"what": what, "part": part, "count": 1_234, "is_grave": is_grave}


def show(
    capsys: pytest.CaptureFixture[str], *findings: dict[str, Any], parts: tuple[str, ...]
) -> str:
    told = {name: {"tokens": TOKENS} for name in parts}
    print_audit({"path": PATH, "parts": told, "findings": findings})
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(render, "PIPE_WIDTH", 80)


def test_lengths_are_shown_of_each_part(capsys: pytest.CaptureFixture[str]) -> None:
    out = show(capsys, parts=("train", "validation"))
    assert re.search(r"training: contexts +│ +4 │ +12 │ +20 │ 1,718 │", out)
    assert "evaluation: answers" in out
    assert "contexts longer than a window: 1.0 % and 1.0 %" in out


def test_no_findings_are_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = show(capsys, parts=("train",)).splitlines()
    assert lines[-1] == "audit: no findings"


def test_findings_are_rows_and_their_list_is_named_in_one_piece(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cut = finding("answers that begin or end inside a token", "validation")
    lines = show(capsys, cut, parts=("train",)).splitlines()
    assert lines[-1] == f"listed in {PATH}"
    assert max(map(len, lines[:-1])) <= 80
    assert any(re.search(r"inside a token │ +evaluation │ +1,234 │", line) for line in lines)
    assert "refuses" not in "".join(lines)


def test_what_training_refuses_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    out = show(capsys, finding("ids that stand twice", "train", is_grave=True), parts=("train",))
    assert "│ ! ids that stand twice │" in out
    assert "!: training refuses the data for it" in out
