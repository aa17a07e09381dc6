import contextlib
import io

import pytest

from qarank.engine.hooks import StepReport
from qarank.engine.progress import ProgressBar

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
