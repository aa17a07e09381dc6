import errno
import json
import math
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from qarank.engine.hooks import StepReport
from qarank.engine.tracking import NullTracker, StepLogger, Tracker
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


def uneven_reports(count: int) -> list[StepReport]:
    """Numbers whose sums depend on their order in the last digit."""
    draw = random.Random(4)
    return [
        report(
            step,
            loss=draw.random() * 10**-step,
            penalty=draw.random(),
            seconds=draw.random(),
            skipped=draw.random() < 0.3,
            seconds_by_part={"data": draw.random(), "optimizer": draw.random()},
        )
        for step in range(1, count + 1)
    ]


def test_means_are_sums_from_left_to_right(tmp_path: Path) -> None:
    reports = uneven_reports(7)
    (line,) = log_steps(tmp_path, reports, log_every=7)
    total = 0.0
    for one in reports:
        total += one.loss
    assert line["train/loss"] == total / 7


def test_a_steps_time_is_logged_by_part(tmp_path: Path) -> None:
    reports = [
        report(1, seconds_by_part={"data": 0.5, "forward_backward": 1.0}),
        report(2, seconds_by_part={"data": 1.0, "forward_backward": 2.0}),
        report(3, seconds_by_part={"data": 4.0}),
    ]
    first, last = log_steps(tmp_path, reports, log_every=2)
    assert (first["time/data_s"], first["time/forward_backward_s"]) == (0.75, 1.5)
    assert last["time/data_s"] == 4.0
    assert "time/forward_backward_s" not in last


@pytest.mark.parametrize("stopped_after", range(1, 11))
def test_a_resumed_logger_writes_the_very_lines_of_one_never_stopped(
    tmp_path: Path, stopped_after: int
) -> None:
    reports = uneven_reports(11)
    (tmp_path / "whole").mkdir()
    expected = log_steps(tmp_path / "whole", reports, log_every=4)
    state = ""
    for part in (reports[:stopped_after], reports[stopped_after:]):
        with Tracker(tmp_path / "metrics.jsonl", tmp_path / "tensorboard") as tracker:
            logger = StepLogger(tracker, log_every=4, total_steps=11)
            if state:
                logger.load_state_dict(json.loads(state))
            for one in part:
                logger(one)
            state = json.dumps(logger.state_dict(), allow_nan=False)
    assert read_lines(tmp_path / "metrics.jsonl") == expected
    assert read_events(tmp_path / "tensorboard", "train/loss") == read_events(
        tmp_path / "whole" / "tensorboard", "train/loss"
    )


def test_loading_a_state_forgets_what_was_collected(tmp_path: Path) -> None:
    with Tracker(tmp_path / "metrics.jsonl", tmp_path / "tensorboard") as tracker:
        logger = StepLogger(tracker, log_every=10, total_steps=10)
        fresh = logger.state_dict()
        logger(report(1, skipped=True))
        assert logger.state_dict() != fresh
        logger.load_state_dict(fresh)
        assert logger.state_dict() == fresh


def test_a_picture_goes_to_tensorboard_alone(tmp_path: Path) -> None:
    with Tracker(tmp_path / "metrics.jsonl", tmp_path / "tensorboard") as tracker:
        tracker.log_image(5, "Ranks/kept", np.zeros((4, 6, 3), dtype=np.uint8))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.width) for event in events.Images("Ranks/kept")] == [(5, 6)]
    assert read_lines(tmp_path / "metrics.jsonl") == []


def test_the_final_numbers_stand_at_the_step_they_are_said_for(tmp_path: Path) -> None:
    with Tracker(tmp_path / "metrics.jsonl", tmp_path / "tensorboard") as tracker:
        tracker.start_hparams({"adapter.r": 4}, ["best/f1"])
        tracker.log_hparams(40, {"adapter.r": 4}, {"best/f1": 81.5})
    assert read_events(tmp_path / "tensorboard", "best/f1") == [(40, 81.5)]


def test_sync_forces_both_files_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forced = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        forced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        real(descriptor)

    with Tracker(tmp_path / "metrics.jsonl", tmp_path / "tensorboard") as tracker:
        tracker.log(1, {"a": 1.0})
        monkeypatch.setattr(os, "fsync", fsync)
        tracker.sync()
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert forced == ["metrics.jsonl", events.name]


def test_a_tracker_of_another_process_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with NullTracker() as tracker:
        StepLogger(tracker, log_every=1, total_steps=1)(report(1))
        tracker.log_image(1, "Ranks/kept", np.zeros((1, 1, 3), dtype=np.uint8))
        tracker.start_hparams({"seed": 9}, ["best/f1"])
        tracker.log_hparams(1, {"seed": 9}, {"best/f1": 1.0})
        tracker.sync()
    assert list(tmp_path.iterdir()) == []


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


def test_after_a_full_disk_both_files_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Tracker(tmp_path / "metrics.jsonl", tmp_path / "tensorboard")
    tracker._metrics.close()
    monkeypatch.setattr(tracker, "_metrics", FullDisk())
    with pytest.raises(RunError), tracker:
        pass
    with pytest.raises(ValueError, match="closed file"):
        tracker._events.sync()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"gone cannot be written: No such file or directory$"):
        Tracker(tmp_path / "gone" / "metrics.jsonl", tmp_path / "gone" / "tensorboard")
