import io
import sys

import pytest
from rich.console import Console

from qarank.cli.sweep_progress import (
    SHOWN_ROWS,
    Every,
    PlainLines,
    build_table,
    describe_point,
    follow_points,
)
from qarank.workflows.point_progress import PointProgress

RUNNING = PointProgress(
    "b", "running", step=40, total_steps=1200, loss=2.5, exact=61.0, f1=64.25, budget=331, left_s=90
)


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_is_time_at_first_and_then_after_a_while() -> None:
    clock = Clock()
    every = Every(5.0, clock)
    assert [every.is_due(), every.is_due()] == [True, False]
    clock.now = 4.9
    assert not every.is_due()
    clock.now = 5.0
    assert every.is_due() and not every.is_due()


def test_a_line_has_the_latest_numbers_that_there_are() -> None:
    assert describe_point(RUNNING) == (
        "step 40/1,200  loss 2.50  EM 61.00  F1 64.25  budget 331  about 1 min 30 s left"
    )
    assert describe_point(PointProgress("a", "running")) == "step 0/-"


def draw(points: list[PointProgress]) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(build_table(points))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_counts_states_and_shows_every_point() -> None:
    shown = draw([PointProgress("a", "waiting"), RUNNING, PointProgress("[c]", "failed")])
    assert "1 waiting, 1 running, 1 failed; those that run: 1 min 30 s left" in shown
    (line,) = (line for line in shown.splitlines() if "│ b " in line)
    for cell in ("running", "40/1,200", "2.50", "61.00", "64.25", "331", "1 min 30 s"):
        assert cell in line
    assert "[c]" in shown, "a name is no markup"


def test_a_long_table_shows_those_that_run_first() -> None:
    points = [PointProgress(f"w{number}", "waiting") for number in range(40)] + [RUNNING]
    shown = draw(points)
    assert "│ b " in shown and f"and {41 - SHOWN_ROWS} more" in shown


def test_lines_tell_changes_at_once_and_steps_now_and_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    lines = PlainLines(["a", "b"], clock=clock)
    lines.change("b", "failed", "why")
    lines.tick(lambda: [RUNNING])
    assert capsys.readouterr().err == "point 2 of 2: b, failed: why\n"
    clock.now = 31.0
    lines.tick(lambda: [RUNNING, PointProgress("a", "waiting")])
    assert capsys.readouterr().err == f"b: {describe_point(RUNNING)}\n"
    clock.now = 62.0
    lines.tick(lambda: [RUNNING])
    assert capsys.readouterr().err == "", "it has not moved"


def test_a_terminal_has_a_table_and_failures_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with follow_points(["a", "b"], shown=True) as listener:
        listener.changed("a", "failed", "the disk is full")
        listener.ticked(lambda: [RUNNING])
    assert "a: failed: the disk is full" in terminal.getvalue()
    assert "40/1,200" in terminal.getvalue()


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with follow_points(["b"], shown=False) as listener:
        listener.changed("b", "failed", "why")
        listener.ticked(lambda: pytest.fail("nobody asked"))
    assert capsys.readouterr().err == ""
