import errno
import json
import math
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from qarank.engine.hooks import StepReport
from qarank.engine.tracking import StepLogger, Tracker
from qarank.errors import RunError


def read_lines(path: Path) -> list[dict[str, Any]]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def read_events(folder: Path, tag: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def report(step: int, **changed: Any) -> StepReport:
    facts: dict[str, Any] = {
        "global_step": step,
        "loss": float(step),
        "penalty": 0.5 * step,
        "grad_norm": 2.0 * step,
        "learning_rate": 0.125 / step,
        "num_rows": 16,
        "skipped": False,
        "seconds": 0.25,
    }
    return StepReport(**(facts | changed))


def log_steps(folder: Path, reports: list[StepReport], *, log_every: int) -> list[dict[str, Any]]:
    with Tracker(folder / "metrics.jsonl", folder / "tensorboard") as tracker:
        logger = StepLogger(tracker, log_every=log_every, total_steps=reports[-1].global_step)
        for one in reports:
            logger(one)
    return read_lines(folder / "metrics.jsonl")


def test_what_is_logged_reads_back_from_both_files(tmp_path: Path) -> None:
    with Tracker(tmp_path / "metrics.jsonl", tmp_path / "tensorboard") as tracker:
        tracker.log(3, {"eval/f1": 81.5, "eval/exact": 70.25})
        tracker.log(6, {"eval/f1": 82.5})
    assert read_lines(tmp_path / "metrics.jsonl") == [
        {"global_step": 3, "eval/f1": 81.5, "eval/exact": 70.25},
        {"global_step": 6, "eval/f1": 82.5},
    ]
    assert read_events(tmp_path / "tensorboard", "eval/f1") == [(3, 81.5), (6, 82.5)]
    assert read_events(tmp_path / "tensorboard", "eval/exact") == [(3, 70.25)]


def test_a_line_is_on_disk_as_soon_as_it_is_logged(tmp_path: Path) -> None:
    with Tracker(tmp_path / "metrics.jsonl", tmp_path / "tensorboard") as tracker:
        tracker.log(1, {"a": 1.0})
        assert len(read_lines(tmp_path / "metrics.jsonl")) == 1


def test_events_alone_leave_the_metrics_file_as_it_is(tmp_path: Path) -> None:
    with Tracker(tmp_path / "metrics.jsonl", tmp_path / "tensorboard") as tracker:
        tracker.log_events(2, {"Ranknum/query": 4.0})
    assert read_lines(tmp_path / "metrics.jsonl") == []
    assert read_events(tmp_path / "tensorboard", "Ranknum/query") == [(2, 4.0)]


def test_a_second_tracker_appends(tmp_path: Path) -> None:
    for step in (1, 2):
        with Tracker(tmp_path / "metrics.jsonl", tmp_path / "tensorboard") as tracker:
            tracker.log(step, {"a": 1.0})
    assert [line["global_step"] for line in read_lines(tmp_path / "metrics.jsonl")] == [1, 2]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_have_becomes_null(tmp_path: Path, value: float) -> None:
    (line,) = log_steps(tmp_path, [report(1, grad_norm=value, skipped=True)], log_every=1)
    assert line["train/grad_norm"] is None
    assert line["train/skipped_steps"] == 1


def test_lines_come_every_log_every_steps_and_after_the_last(tmp_path: Path) -> None:
    lines = log_steps(tmp_path, [report(step) for step in range(1, 8)], log_every=3)
    assert [line["global_step"] for line in lines] == [3, 6, 7]


def test_a_last_step_that_is_due_gets_one_line_only(tmp_path: Path) -> None:
    lines = log_steps(tmp_path, [report(step) for step in range(1, 7)], log_every=3)
    assert [line["global_step"] for line in lines] == [3, 6]


def test_a_line_holds_means_over_its_own_steps(tmp_path: Path) -> None:
    reports = [report(1), report(2, num_rows=4), report(3, seconds=0.5), report(4, num_rows=3)]
    first, last = log_steps(tmp_path, reports, log_every=3)
    assert first == {
        "global_step": 3,
        "train/loss": 2.0,  # of 1, 2, 3
        "train/orth_regu_loss": 1.0,
        "train/grad_norm": 6.0,  # the last step's
        "train/learning_rate": 0.125 / 3,
        "train/features_per_s": (16 + 4 + 16) / 1.0,
        "train/step_s": pytest.approx(1.0 / 3),
        "train/skipped_steps": 0.0,
    }
    assert (last["train/loss"], last["train/features_per_s"]) == (4.0, 3 / 0.25)
    assert read_events(tmp_path / "tensorboard", "train/loss") == [(3, 2.0), (4, 4.0)]


def test_skipped_steps_are_counted_over_the_whole_run(tmp_path: Path) -> None:
    reports = [report(step, skipped=step in (1, 3, 4)) for step in range(1, 7)]
    lines = log_steps(tmp_path, reports, log_every=2)
    assert [line["train/skipped_steps"] for line in lines] == [1.0, 3.0, 3.0]


class FullDisk:
    """A file that takes nothing more."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_ends_the_run_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(RunError, match=r"cannot be written: No space left on device$"),
        Tracker(tmp_path / "metrics.jsonl", tmp_path / "tensorboard") as tracker,
    ):
        tracker._metrics.close()
        monkeypatch.setattr(tracker, "_metrics", FullDisk())
        tracker.log(1, {"a": 1.0})


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"gone cannot be written: No such file or directory$"):
        Tracker(tmp_path / "gone" / "metrics.jsonl", tmp_path / "gone" / "tensorboard")
