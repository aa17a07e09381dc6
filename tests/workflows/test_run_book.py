import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from qarank.artifacts.run_dir import RunDir
from qarank.errors import NonFiniteError, RunError, StoppedError
from qarank.workflows.build import Setting
from qarank.workflows.prepare import Prepared
from qarank.workflows.run_book import RunBook, describe_run
from qarank.workflows.start import Start

SETTING = Setting(torch.device("cpu"), "fp32")
ANEW = Start(None, {})
CHECKPOINT = Path("runs/tiny/checkpoints/step_000004")


@pytest.fixture
def book(tmp_path: Path) -> RunBook:
    """Of a run whose facts are two numbers."""
    return RunBook(RunDir(tmp_path), {"seed": 1, "plan": 2}, writes=True)


def test_a_new_run_says_what_it_is_made_of(prepare_tiny: Callable[..., Prepared]) -> None:
    facts = describe_run(prepare_tiny(), ANEW, SETTING)
    assert (facts["name"], facts["seed"], facts["precision"]) == ("tiny", 1, "fp32")
    assert {"started", "versions", "hardware", "data", "plan"} <= set(facts)
    assert facts["version_2_with_negative"] is True
    assert "resumed" not in facts


def test_a_resumed_run_keeps_its_first_facts_and_adds_where_it_went_on(
    prepare_tiny: Callable[..., Prepared],
) -> None:
    first = {"name": "tiny", "started": "long ago", "versions": {"torch": "1"}, "data": "as it was"}
    facts = describe_run(prepare_tiny(), Start(CHECKPOINT, first), SETTING)
    resumed = facts.pop("resumed")
    assert facts == {**first, "launch": None}
    (entry,) = resumed
    assert set(entry) == {"at", "from", "versions", "hardware"}
    assert (entry["from"], entry["hardware"]["processes"]) == ("step_000004", 1)
    assert entry["versions"]["torch"] == torch.__version__


def test_each_time_a_run_is_resumed_is_listed(prepare_tiny: Callable[..., Prepared]) -> None:
    run = {"resumed": [{"from": "step_000002"}]}
    facts = describe_run(prepare_tiny(), Start(CHECKPOINT, run), SETTING)
    assert [entry["from"] for entry in facts["resumed"]] == ["step_000002", "step_000004"]


def test_why_and_when_a_run_ended_before_is_forgotten_when_it_goes_on(
    prepare_tiny: Callable[..., Prepared], book: RunBook
) -> None:
    book.write_failure(RunError("the disk is full"))
    facts = describe_run(prepare_tiny(), Start(CHECKPOINT, book.run_dir.read_run()), SETTING)
    run = RunBook(book.run_dir, facts, writes=True).write("finished", result=3)
    assert (run["state"], run["plan"]) == ("finished", 2)
    assert not {"reason", "ended"} & set(run)


def test_what_is_noted_is_written_with_the_next_state(book: RunBook) -> None:
    book.note(estimate={"step_s": 0.1})
    assert book.run_dir.read_run() == {}
    written = book.write("running", more=3)
    assert written == {
        "state": "running",
        "seed": 1,
        "plan": 2,
        "estimate": {"step_s": 0.1},
        "more": 3,
    }
    assert book.run_dir.read_run() == written
    assert "more" not in book.write("finished")


def test_a_process_that_does_not_write_knows_the_same(tmp_path: Path) -> None:
    run = RunBook(RunDir(tmp_path), {"seed": 1}, writes=False).write("finished", result=2)
    assert run == {"state": "finished", "seed": 1, "result": 2}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (StoppedError("by hand", 2), "stopped", "StoppedError: by hand"),
        (NonFiniteError("nan\nmore"), "failed", "NonFiniteError: nan"),
        (KeyError("ours"), "failed", "KeyError: 'ours'"),
        (KeyboardInterrupt(), "failed", "KeyboardInterrupt: "),
    ],
    ids=lambda value: type(value).__name__,
)
def test_why_a_run_ended_stands_in_one_line(
    error: BaseException, state: str, reason: str, book: RunBook
) -> None:
    book.write_failure(error)
    run = book.run_dir.read_run()
    assert (run["state"], run["reason"]) == (state, reason)
    assert run["ended"].endswith("+00:00")


def test_a_failure_that_cannot_be_written_does_not_hide_the_first_error(
    book: RunBook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise RunError("run.json cannot be written: No space left on device")

    monkeypatch.setattr(RunDir, "write_run", refuse)
    with caplog.at_level(logging.WARNING, "qarank"):
        book.write_failure(NonFiniteError("nan"))
    assert caplog.messages == ["run.json cannot be written: No space left on device"]
