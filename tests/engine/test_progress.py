import contextlib
import io
import logging
from collections.abc import Iterator

import pytest

from qarank.engine.hooks import StepReport
from qarank.engine.progress import ProgressBar, ProgressLines, describe_duration

REPORT = StepReport(2, 1.25, 0.0, 1.0, 1e-3, 16, False, 0.5)


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def draw(stream: io.StringIO, *, shown: bool = True) -> str:
    """What the bar writes to a stderr."""
    with (
        contextlib.redirect_stderr(stream),
        ProgressBar("training", 3, shown=shown) as bar,
    ):
        bar.on_step(REPORT)
        bar.advance(1)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def test_a_terminal_gets_title_count_loss_and_speed() -> None:
    text = draw(Terminal())
    for part in ("training", "3/3", "loss 1.250", "32.0 features/s"):
        assert part in text, part


def test_a_terminal_stays_empty_if_the_user_asked_for_that() -> None:
    assert draw(Terminal(), shown=False) == ""


@pytest.mark.parametrize("variable", [None, "FORCE_COLOR", "TTY_COMPATIBLE"])
def test_nothing_is_drawn_where_stderr_is_no_terminal(
    variable: str | None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if variable is not None:
        monkeypatch.setenv(variable, "1")
    assert draw(io.StringIO()) == ""
    assert capfd.readouterr() == ("", ""), "nor anything on stdout"


def test_an_error_goes_through_and_the_bar_is_closed() -> None:
    with (
        contextlib.redirect_stderr(Terminal()),
        pytest.raises(KeyError),
        ProgressBar("training", 3) as bar,
    ):
        raise KeyError("x")
    assert not bar._progress.live.is_started


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def report(step: int, *, loss: float = 1.0) -> StepReport:
    return StepReport(step, loss, 0.0, 1.0, 9.1e-4 / step, 16, False, 0.5)


@pytest.fixture
def notes(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "qarank"):
        yield caplog


def run_lines(steps: range, *, seconds_a_step: float, total: int) -> None:
    clock = Clock()
    lines = ProgressLines(total, clock=clock)
    for step in steps:
        clock.now += seconds_a_step
        lines.on_step(report(step))


def steps_told(notes: pytest.LogCaptureFixture) -> list[int]:
    return [int(line.split()[1].split("/")[0]) for line in notes.messages]


def test_a_line_tells_step_loss_rate_speed_and_time_left(notes: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    lines = ProgressLines(600, every_s=30, clock=clock)
    lines.on_step(report(1, loss=9.0))
    for step, loss in ((2, 1.0), (3, 2.0), (4, 3.0)):
        clock.now += 10
        lines.on_step(report(step, loss=loss))
    assert notes.messages == [
        "step 1/600  loss 9.000  lr 9.1e-04  32.0 features/s",
        "step 4/600  loss 2.000  lr 2.3e-04  32.0 features/s  about 1.7 h left",
    ]


def test_lines_come_after_the_first_step_then_at_most_one_in_30_s_and_after_the_last(
    notes: pytest.LogCaptureFixture,
) -> None:
    run_lines(range(1, 51), seconds_a_step=4, total=50)
    assert steps_told(notes) == [1, 9, 17, 25, 33, 41, 49, 50]


def test_slow_steps_each_get_a_line(notes: pytest.LogCaptureFixture) -> None:
    run_lines(range(1, 5), seconds_a_step=60, total=4)
    assert steps_told(notes) == [1, 2, 3, 4]


def test_the_last_line_and_a_run_of_one_step_have_no_time_left(
    notes: pytest.LogCaptureFixture,
) -> None:
    run_lines(range(1, 3), seconds_a_step=1, total=2)
    run_lines(range(1, 2), seconds_a_step=1, total=1)
    assert steps_told(notes) == [1, 2, 1]
    assert not any("left" in line for line in notes.messages)


def test_a_resumed_run_reckons_with_its_own_steps_alone(notes: pytest.LogCaptureFixture) -> None:
    run_lines(range(501, 541), seconds_a_step=1, total=600)
    assert notes.messages[-1].startswith("step 531/600 ")
    assert notes.messages[-1].endswith("about 69 s left")


def test_lines_take_the_bars_place_where_stderr_is_no_terminal(
    notes: pytest.LogCaptureFixture,
) -> None:
    draw(io.StringIO())
    assert steps_told(notes) == [2]


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_a_terminal_or_a_user_who_wants_none_gets_no_lines(
    stream: io.StringIO, notes: pytest.LogCaptureFixture
) -> None:
    draw(stream, shown=isinstance(stream, Terminal))
    assert notes.messages == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (36000, "10 h"),
        (172799, "48 h"),
        (172800, "2.0 days"),
        (950400, "11.0 days"),
    ],
)
def test_durations_are_told_in_the_unit_that_suits(seconds: float, text: str) -> None:
    assert describe_duration(seconds) == text
