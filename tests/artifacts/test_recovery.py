import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.artifacts.checkpoint import new_checkpoint, verify_checkpoint
from qarank.artifacts.recovery import newest_good_checkpoint, set_back
from qarank.artifacts.run_dir import RunDir
from qarank.errors import CheckpointError, RunError

CHANGING = ("replace", "unlink", "rmdir", "fsync")  # what moves a folder from state to state


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


def save(run_dir: RunDir, step: int) -> Path:
    folder = run_dir.checkpoint_dir(step)
    with new_checkpoint(folder) as beside:
        (beside / "weights.bin").write_bytes(bytes([step]) * 20)
    return folder


def damage(folder: Path) -> None:
    (folder / "weights.bin").write_bytes(b"x")


def metrics_line(step: int, key: str = "train/loss") -> str:
    return json.dumps({"global_step": step, key: 0.5}) + "\n"


def make_run(path: Path, *, steps: int = 20) -> RunDir:
    """Stopped after step 20; saved and evaluated every 6, a line and a round every 2."""
    run_dir = RunDir(path)
    path.mkdir()
    run_dir.write_run({"state": "running"})
    for step in range(2, steps + 1, 2):
        with run_dir.metrics_path.open("a") as metrics, run_dir.ranks_path.open("a") as ranks:
            metrics.write(metrics_line(step))
            ranks.write(json.dumps({"global_step": step, "ranks": {"a": step}}) + "\n")
            if step % 6 == 0:
                metrics.write(metrics_line(step, "eval/f1"))
        if step % 6 == 0:
            evaluated = run_dir.eval_dir(f"step_{step:06d}", "validation")
            evaluated.mkdir(parents=True)
            (evaluated / "metrics.json").write_text(str(step))
            save(run_dir, step)
    return run_dir


def steps_in(path: Path) -> list[int]:
    return [json.loads(line)["global_step"] for line in path.read_text().splitlines()]


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every file's content, and every folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def resume(run_dir: RunDir, **options: bool) -> Path | None:
    checkpoint = newest_good_checkpoint(run_dir)
    set_back(run_dir, checkpoint, **options)
    return checkpoint


def test_the_newest_good_checkpoint_is_found_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_dir = make_run(tmp_path / "a")
    assert newest_good_checkpoint(run_dir) == run_dir.checkpoint_dir(18)
    assert not caplog.records


def test_each_damaged_one_is_named_and_the_one_before_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_dir = make_run(tmp_path / "a")
    damage(run_dir.checkpoint_dir(18))
    (run_dir.checkpoint_dir(12) / "manifest.json").unlink()
    assert newest_good_checkpoint(run_dir) == run_dir.checkpoint_dir(6)
    newest, older = (record.getMessage() for record in caplog.records)
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert "step_000018 is damaged: weights.bin differs from its manifest.json; " in newest
    assert "step_000012 is not a checkpoint: no manifest.json in it; " in older
    assert newest.endswith("; the one before it is used: step_000006")
    assert older.endswith("; the one before it is used: step_000006")


def test_no_checkpoint_is_none_and_no_good_one_is_an_error(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path)
    assert newest_good_checkpoint(run_dir) is None
    for step in (6, 12):
        damage(save(run_dir, step))
    told = (
        r"^\S+ has no good checkpoint to go on from \(\S+step_000006 is damaged: weights\.bin "
        r"differs from its manifest\.json\); --overwrite starts anew$"
    )
    with pytest.raises(CheckpointError, match=told):
        newest_good_checkpoint(run_dir)


def test_one_whose_replacement_was_killed_is_still_there(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "a")
    newest = run_dir.checkpoint_dir(18)
    newest.rename(newest.with_name(".step_000018.old"))
    with run_dir.lock():
        assert newest_good_checkpoint(run_dir) == newest


def test_looking_for_a_checkpoint_changes_nothing(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "a")
    damage(run_dir.checkpoint_dir(18))
    run_dir.checkpoint_dir(12).rename(run_dir.checkpoints_dir / ".step_000012.old")
    before = snapshot(run_dir.path)
    assert newest_good_checkpoint(run_dir) == run_dir.checkpoint_dir(6)
    assert snapshot(run_dir.path) == before, "a live process may be replacing one"


def test_all_after_the_checkpoint_goes_and_all_up_to_it_stays(tmp_path: Path) -> None:
    run_dir, expected = make_run(tmp_path / "a"), make_run(tmp_path / "b", steps=12)
    damage(run_dir.checkpoint_dir(18))
    for name in (".step_000018.part", ".step_000006.old", ".step_000006.doomed"):
        (run_dir.checkpoints_dir / name).mkdir()
    aside = snapshot(run_dir.checkpoint_dir(18))
    assert resume(run_dir) == run_dir.checkpoint_dir(12)
    assert snapshot(run_dir.checkpoints_dir / "damaged_step_000018") == aside
    found = snapshot(run_dir.path)
    kept = {name: content for name, content in found.items() if "damaged_step" not in name}
    assert kept == snapshot(expected.path)


def test_a_run_without_a_checkpoint_is_set_back_to_before_its_first_step(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "a", steps=4)
    assert resume(run_dir) is None
    assert run_dir.metrics_path.read_text() == run_dir.ranks_path.read_text() == ""


def test_a_run_stopped_before_its_first_line_is_set_back_too(tmp_path: Path) -> None:
    set_back(RunDir(tmp_path), None)
    assert snapshot(tmp_path) == {}


def test_an_evaluation_is_redone_where_asked_and_nothing_else_of_its_step(tmp_path: Path) -> None:
    run_dir, expected = make_run(tmp_path / "a", steps=12), make_run(tmp_path / "b", steps=12)
    text = expected.metrics_path.read_text()
    expected.metrics_path.write_text(text.replace(metrics_line(12, "eval/f1"), ""))
    shutil.rmtree(expected.evals_dir / "step_000012")
    resume(run_dir, redo_evaluation=True)
    assert snapshot(run_dir.path) == snapshot(expected.path)


@pytest.mark.parametrize("redo_evaluation", [False, True])
def test_setting_back_once_more_changes_nothing(tmp_path: Path, redo_evaluation: bool) -> None:
    run_dir = make_run(tmp_path / "a")
    damage(run_dir.checkpoint_dir(18))
    resume(run_dir, redo_evaluation=redo_evaluation)
    before = snapshot(run_dir.path)
    modified = run_dir.metrics_path.stat().st_mtime_ns
    resume(run_dir, redo_evaluation=redo_evaluation)
    assert snapshot(run_dir.path) == before
    assert run_dir.metrics_path.stat().st_mtime_ns == modified


def test_a_second_damaged_checkpoint_of_a_step_gets_a_number(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "a")
    for _ in range(3):
        damage(save(run_dir, 18))
        resume(run_dir)
    names = sorted(folder.name for folder in run_dir.checkpoints_dir.glob("damaged*"))
    assert names == ["damaged_step_000018", "damaged_step_000018_2", "damaged_step_000018_3"]


def test_a_later_good_checkpoint_is_set_aside_whole(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "a")
    set_back(run_dir, run_dir.checkpoint_dir(6))
    assert run_dir.checkpoints() == [run_dir.checkpoint_dir(6)]
    for step in (12, 18):
        verify_checkpoint(run_dir.checkpoints_dir / f"damaged_step_{step:06d}")


@pytest.mark.parametrize("redo_evaluation", [False, True])
def test_killed_at_any_moment_the_next_resume_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redo_evaluation: bool
) -> None:
    def run_of(name: str) -> RunDir:
        run_dir = make_run(tmp_path / name)
        damage(run_dir.checkpoint_dir(18))
        half = run_dir.checkpoints_dir / ".step_000018.part"
        half.mkdir()
        (half / "weights.bin").touch()
        return run_dir

    whole = run_of("whole")
    resume(whole, redo_evaluation=redo_evaluation)
    moment, killed = 0, True
    while killed:
        run_dir = run_of(f"killed_{moment}")
        with monkeypatch.context() as patch:
            kill_after(patch, moment)
            try:
                resume(run_dir, redo_evaluation=redo_evaluation)
                killed = False
            except Killed:
                moment += 1
        assert resume(run_dir, redo_evaluation=redo_evaluation) == run_dir.checkpoint_dir(12)
        assert snapshot(run_dir.path) == snapshot(whole.path), f"killed after {moment - 1} changes"
    assert moment > 12, "so many changes it takes"


def kill_after(patch: pytest.MonkeyPatch, num_changes: int) -> None:
    """From then on nothing can be changed any more, by whatever clears up either."""
    left = [num_changes]

    def until_killed(change: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return change(*args, **options)

        return run

    for name in CHANGING:
        patch.setattr(os, name, until_killed(getattr(os, name)))


@pytest.mark.parametrize(
    "end", ['{"global_step": 12, "train/lo', "{", "\0\0\0", "\0\n", "[1]\n", '{"loss": 1}\n']
)
def test_a_half_written_last_line_goes_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    run_dir = RunDir(tmp_path)
    checkpoint = save(run_dir, 12)
    for path in (run_dir.metrics_path, run_dir.ranks_path):
        path.write_text(metrics_line(6) + end)
    set_back(run_dir, checkpoint)
    for path in (run_dir.metrics_path, run_dir.ranks_path):
        assert path.read_text() == metrics_line(6)
    assert not caplog.records


def test_a_last_line_that_lacks_its_end_of_line_alone_is_whole(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path)
    run_dir.metrics_path.write_text(metrics_line(6) + metrics_line(12).rstrip())
    set_back(run_dir, save(run_dir, 12))
    assert run_dir.metrics_path.read_text() == metrics_line(6) + metrics_line(12)


@pytest.mark.parametrize("broken", [b"", b"{", b"\xff\xfe", b'{"global_step": "6"}'])
def test_from_a_line_in_the_middle_that_cannot_be_read_on_all_go_and_it_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: bytes
) -> None:
    run_dir = RunDir(tmp_path)
    lines = [metrics_line(step).encode() for step in (2, 4, 6)]
    run_dir.metrics_path.write_bytes(lines[0] + broken + b"\n" + lines[2])
    with caplog.at_level(logging.WARNING, "qarank"):
        set_back(run_dir, save(run_dir, 12))
    assert steps_in(run_dir.metrics_path) == [2]
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{run_dir.metrics_path}: line 2 cannot be read; it and all after it are cut"
    )


def test_a_file_that_cannot_be_cut_is_told(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path)
    run_dir.metrics_path.mkdir()
    with pytest.raises(RunError, match=r"metrics\.jsonl cannot be written: Is a directory$"):
        set_back(run_dir, None)
