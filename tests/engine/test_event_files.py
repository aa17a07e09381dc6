from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from torch.utils.tensorboard import SummaryWriter

from qarank.engine.event_files import cut_events
from qarank.engine.tracking import Tracker
from qarank.errors import RunError


def write_events(folder: Path, last_step: int = 6) -> Path:
    """A file with two numbers a step and an evaluation every third; its path."""
    before = set(folder.glob("*"))
    with Tracker(folder.parent / "metrics.jsonl", folder) as tracker:
        for step in range(1, last_step + 1):
            tracker.log(step, {"train/loss": 1.0 / step, "train/step_s": 0.5})
            if step % 3 == 0:
                tracker.log(step, {"eval/f1": float(step)})
    (path,) = set(folder.glob("*")) - before
    return path


def scalars(folder: Path, tag: str) -> list[int]:
    """The steps TensorBoard itself shows of a tag."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return [event.step for event in events.Scalars(tag)] if tag in events.scalars.Keys() else []


def events_of(path: Path) -> Iterator[Any]:
    return iter(LegacyEventFileLoader(str(path)).Load())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where event files go."""
    return tmp_path / "tensorboard"


@pytest.mark.parametrize("last", [0, 1, 3, 5])
def test_events_after_the_step_are_gone_and_those_before_stay_as_they_were(
    folder: Path, last: int
) -> None:
    path = write_events(folder)
    whole = path.read_bytes()
    cut_events(folder, last)
    assert scalars(folder, "train/loss") == list(range(1, last + 1))
    assert scalars(folder, "eval/f1") == ([3] if last >= 3 else [])
    assert whole.startswith(path.read_bytes()), "steps only rise, so what is left is its beginning"
    assert next(events_of(path)).file_version == "brain.Event:2"
    assert list(folder.iterdir()) == [path]


def test_the_figures_of_a_runs_end_go_though_its_last_step_stays(folder: Path) -> None:
    write_events(folder, 6)
    with Tracker(folder.parent / "metrics.jsonl", folder) as tracker:
        tracker.log_hparams(6, {"seed": 1}, {"result/f1": 80.0})
    assert scalars(folder, "result/f1") == [6]
    cut_events(folder, 6)
    assert scalars(folder, "result/f1") == []
    assert scalars(folder, "train/loss") == [1, 2, 3, 4, 5, 6]


def test_what_is_written_after_a_cut_goes_on_where_it_was_cut(folder: Path) -> None:
    write_events(folder, 6)
    cut_events(folder, 4)
    with Tracker(folder.parent / "metrics.jsonl", folder) as tracker:
        for step in (5, 6, 7):
            tracker.log(step, {"train/loss": 0.0})
    assert scalars(folder, "train/loss") == [1, 2, 3, 4, 5, 6, 7]


def test_a_file_of_which_nothing_goes_is_not_touched(folder: Path) -> None:
    path = write_events(folder)
    before = path.stat()
    cut_events(folder, 6)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_cutting_again_changes_nothing(folder: Path) -> None:
    path = write_events(folder)
    cut_events(folder, 3)
    before = path.stat()
    cut_events(folder, 3)
    assert path.stat().st_ino == before.st_ino


def test_the_evaluation_of_the_step_goes_where_it_is_redone(folder: Path) -> None:
    write_events(folder)
    cut_events(folder, 6, redo_evaluation=True)
    assert scalars(folder, "eval/f1") == [3]
    assert scalars(folder, "train/loss") == [1, 2, 3, 4, 5, 6]


def test_files_of_torchs_writer_in_a_sub_folder_are_cut_too(folder: Path) -> None:
    with SummaryWriter(str(folder / "1700000000.5")) as writer:
        writer.add_hparams({"r": 4}, {"best/f1": 80.0}, run_name=".")
        for step in range(4):
            writer.add_scalar("best/f1", 80.0 + step, step)
    cut_events(folder, 2)
    files = list(folder.glob("*/*tfevents*"))  # torch opens another one for the settings
    steps = {event.step for path in files for event in events_of(path)}
    assert len(files) == 2 and steps == {0, 1, 2}


@pytest.mark.parametrize("num_bytes", [1, 9, 20, 40])
def test_a_half_written_record_goes_though_its_step_would_stay(
    folder: Path, num_bytes: int
) -> None:
    path = write_events(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[:-num_bytes])
    cut_events(folder, 6)
    kept = path.read_bytes()
    assert len(kept) < len(whole) - num_bytes and whole.startswith(kept)
    assert scalars(folder, "train/loss")[:5] == [1, 2, 3, 4, 5]


def test_from_a_damaged_record_on_all_goes(folder: Path) -> None:
    path = write_events(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    cut_events(folder, 6)
    steps = scalars(folder, "train/loss")
    assert steps == list(range(1, len(steps) + 1)) and 1 < len(steps) < 6
    assert content.startswith(path.read_bytes())


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"no event file"])
def test_a_file_that_holds_no_record_is_left_empty(folder: Path, content: bytes) -> None:
    folder.mkdir()
    path = folder / "events.out.tfevents.1.host"
    path.write_bytes(content)
    cut_events(folder, 6)
    assert path.read_bytes() == b""


def test_what_a_killed_cut_left_beside_a_file_goes(folder: Path) -> None:
    path = write_events(folder)
    path.with_name(f".{path.name}.part").write_bytes(path.read_bytes()[:50])
    cut_events(folder, 6)
    assert list(folder.iterdir()) == [path]


def test_other_files_and_a_missing_folder_are_none_of_its_business(folder: Path) -> None:
    cut_events(folder, 6)
    assert not folder.exists()
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    cut_events(folder, 0)
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_file_that_cannot_be_read_is_told(folder: Path) -> None:
    (folder / "events.out.tfevents.1.host").mkdir(parents=True)
    with pytest.raises(RunError, match=r"tfevents\.1\.host cannot be written: Is a directory$"):
        cut_events(folder, 6)
