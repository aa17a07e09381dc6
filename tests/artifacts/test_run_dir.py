from pathlib import Path

import pytest

from qarank.artifacts import run_dir as run_dir_module
from qarank.artifacts.find_run import find_checkpoint
from qarank.artifacts.run_dir import (
    OWN_NAMES,
    RunDir,
    check_claimable,
    claim_run_dir,
    set_aside,
    step_folders,
    step_of,
)
from qarank.errors import CheckpointError, RunDirError
from tests.artifacts.run_folders import make_run


def names_in(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir() if entry.name != ".lock"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_free_or_empty_folder_is_taken(tmp_path: Path, overwrite: bool) -> None:
    for path in (tmp_path / "runs" / "new", tmp_path / "empty"):
        if path.name == "empty":
            path.mkdir()
            (path / ".lock").touch()  # left by a run that was stopped before its first file
        assert claim_run_dir(path, overwrite=overwrite) == RunDir(path)
        assert names_in(path) == {"run.json"}


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("finished", "a finished run; --overwrite"),
        ("running", "an unfinished run; --resume goes on with it, --overwrite"),
        ("failed", "an unfinished run; --resume goes on with it, --overwrite"),
    ],
)
def test_a_run_is_not_replaced_without_overwrite(tmp_path: Path, state: str, told: str) -> None:
    run_dir = make_run(tmp_path / "a", state)
    before = names_in(run_dir.path)
    for take in (claim_run_dir, check_claimable):
        with pytest.raises(RunDirError, match=rf"a holds {told} replaces it$"):
            take(run_dir.path, overwrite=False)
    assert names_in(run_dir.path) == before


def test_overwrite_deletes_a_runs_own_names_and_keeps_a_users_file(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "a")
    assert names_in(run_dir.path) == set(OWN_NAMES)
    (run_dir.path / "notes.txt").write_text("mine")
    (run_dir.path / "plots").mkdir()
    check_claimable(run_dir.path, overwrite=True)
    assert names_in(run_dir.path) == {*OWN_NAMES, "notes.txt", "plots"}, "a check touches nothing"
    claim_run_dir(run_dir.path, overwrite=True)
    assert names_in(run_dir.path) == {"notes.txt", "plots", "run.json"}
    assert (run_dir.path / "notes.txt").read_text() == "mine"


def test_overwrite_unlinks_a_link_and_leaves_what_it_points_to(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "a", steps=())
    elsewhere = tmp_path / "big_disk"
    (elsewhere / "step_000001").mkdir(parents=True)
    (run_dir.path / "checkpoints").symlink_to(elsewhere)
    claim_run_dir(run_dir.path, overwrite=True)
    assert names_in(run_dir.path) == {"run.json"}
    assert (elsewhere / "step_000001").is_dir()


def test_overwrite_stopped_half_way_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = make_run(tmp_path / "a")
    deleted: list[str] = []

    def stop_at_the_third(entry: Path) -> None:
        deleted.append(entry.name)
        if len(deleted) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_dir_module, "_delete", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            claim_run_dir(run_dir.path, overwrite=True)
    assert "run.json" not in deleted
    assert run_dir.read_run() == {"state": "claimed"}, "so that nobody goes on with what is left"
    assert names_in(claim_run_dir(run_dir.path, overwrite=True).path) == {"run.json"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_somebody_elses_folder_is_never_touched(tmp_path: Path, overwrite: bool) -> None:
    for name in ("thesis.tex", "a.txt", "b.txt", "eval"):
        (tmp_path / name).write_text("x")
    told = r"holds files of somebody else \(a.txt, b.txt, eval, \.\.\.\); choose another name$"
    with pytest.raises(RunDirError, match=told):
        claim_run_dir(tmp_path, overwrite=overwrite)
    assert names_in(tmp_path) == {"thesis.tex", "a.txt", "b.txt", "eval"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_is_no_place_for_a_run(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(RunDirError, match=r"a is a file; a run needs a folder of its own$"):
        claim_run_dir(tmp_path / "a", overwrite=overwrite)
    with pytest.raises(RunDirError, match=r"a/b cannot be made: Not a directory$"):
        claim_run_dir(tmp_path / "a" / "b", overwrite=overwrite)


def test_a_folder_that_is_being_written_is_not_emptied(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "a", "running")
    with run_dir.lock():
        with pytest.raises(RunDirError, match=r"a: process \d+ on .+ has been writing here"):
            claim_run_dir(run_dir.path, overwrite=True)
        assert names_in(run_dir.path) == {*OWN_NAMES, ".holder.json"}
    assert names_in(run_dir.path) == set(OWN_NAMES)


def test_what_a_writer_that_died_before_its_first_file_left_is_ours(tmp_path: Path) -> None:
    for name in (".lock", ".holder.json"):
        (tmp_path / name).write_text("{}")
    check_claimable(tmp_path, overwrite=False)


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_damaged_run_json_is_told_but_can_be_overwritten(tmp_path: Path, content: str) -> None:
    run_dir = make_run(tmp_path / "a")
    run_dir.run_path.write_text(content)
    for read in (run_dir.read_run, lambda: find_checkpoint(run_dir.path)):
        with pytest.raises(RunDirError, match=r"a/run\.json cannot be read: "):
            read()
    assert names_in(claim_run_dir(run_dir.path, overwrite=True).path) == {"run.json"}


def test_what_is_written_of_a_run_reads_back(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path)
    assert run_dir.read_run() == {} and not run_dir.is_finished
    run_dir.write_run({"state": "finished", "seed": 9})
    assert run_dir.read_run() == {"state": "finished", "seed": 9} and run_dir.is_finished


def test_checkpoints_come_oldest_first_past_a_million_steps_and_whole(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "a", steps=(12, 1_000_000, 999_999, 6))
    (run_dir.path / "checkpoints" / ".step_000018.part").mkdir()
    names = [folder.name for folder in run_dir.checkpoints()]
    assert names == ["step_000006", "step_000012", "step_999999", "step_1000000"]


@pytest.mark.parametrize("step", [0, 12, 999_999, 1_000_000])
def test_a_folders_name_gives_its_step_back(tmp_path: Path, step: int) -> None:
    assert step_of(RunDir(tmp_path).checkpoint_dir(step)) == step


@pytest.mark.parametrize("name", ["step_", "step_12b", "damaged_step_000012", ".step_000012.old"])
def test_a_folder_of_another_name_has_no_step_and_is_no_checkpoint(
    tmp_path: Path, name: str
) -> None:
    run_dir = make_run(tmp_path / "a")
    (run_dir.checkpoints_dir / name).mkdir()
    assert run_dir.checkpoints() == [run_dir.checkpoint_dir(6), run_dir.checkpoint_dir(12)]
    with pytest.raises(CheckpointError, match=r"is not named after a step; step_<number> is$"):
        step_of(run_dir.checkpoints_dir / name)


def test_step_folders_of_a_folder_that_is_not_there_are_none(tmp_path: Path) -> None:
    assert step_folders(tmp_path / "eval") == []


def test_each_own_name_has_its_place(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path)
    places = [
        run_dir.recipe_path,
        run_dir.run_path,
        run_dir.metrics_path,
        run_dir.ranks_path,
        run_dir.tensorboard_dir,
        run_dir.checkpoint_dir(3000),
        run_dir.eval_dir("step_003000", "validation"),
    ]
    assert {place.relative_to(tmp_path).parts[0] for place in places} == set(OWN_NAMES)
    assert run_dir.checkpoint_dir(3000).name == "step_003000"


def test_a_sweep_is_told_from_somebody_elses_folder(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(RunDirError, match="holds a sweep; give this run another name"):
        check_claimable(tmp_path, overwrite=True)


def test_what_a_killed_process_left_half_written_is_ours(tmp_path: Path) -> None:
    (tmp_path / ".run.json.part").write_text("{")
    check_claimable(tmp_path, overwrite=False)


def test_a_run_is_set_aside_whole_under_a_number_of_its_own(tmp_path: Path) -> None:
    for number in (1, 2):
        run_dir = make_run(tmp_path / "a")
        names = {path.name for path in run_dir.path.rglob("*")}
        target = set_aside(run_dir, tmp_path / "earlier")
        assert target == tmp_path / f"earlier/a-{number}"
        assert not run_dir.path.exists()
        assert {path.name for path in target.rglob("*")} - {".lock"} == names - {".lock"}


def test_a_run_that_is_being_written_is_not_set_aside(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "a")
    with run_dir.lock(), pytest.raises(RunDirError, match="has been writing here"):
        set_aside(run_dir, tmp_path / "earlier")
    assert run_dir.run_path.is_file()
