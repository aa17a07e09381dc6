import os
from pathlib import Path

import pytest

from qarank.artifacts.find_run import (
    best_checkpoint,
    check_model_folder,
    describe_no_adapter,
    find_checkpoint,
    is_run,
    naming_folder,
    open_run_dir,
)
from qarank.artifacts.run_dir import RunDir
from qarank.errors import AdapterError, CheckpointError, RunDirError
from tests.artifacts.run_folders import make_run


def test_only_a_folder_with_run_json_opens_as_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match=r"gone is not a run: no such folder$"):
        open_run_dir(tmp_path / "gone")
    with pytest.raises(RunDirError, match=r"is not a run: no run\.json in it$"):
        open_run_dir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirError, match=r"file is not a run: a file, not a folder$"):
        open_run_dir(tmp_path / "file")
    assert open_run_dir(make_run(tmp_path / "a").path) == RunDir(tmp_path / "a")


def test_a_running_run_means_its_newest_checkpoint(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "a", "running")
    assert find_checkpoint(run_dir.path) == run_dir.checkpoint_dir(12)


def test_a_finished_run_means_its_best_checkpoint(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "a")
    run_dir.write_run({"state": "finished", "result": {"best_checkpoint": "step_000006"}})
    assert find_checkpoint(run_dir.path) == run_dir.checkpoint_dir(6)
    assert best_checkpoint(run_dir) == run_dir.checkpoint_dir(6)


def test_a_checkpoint_is_found_by_its_own_path_from_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run(tmp_path / "a").checkpoint_dir(6)
    assert find_checkpoint(folder) == folder
    for here, path in [(tmp_path, "a/checkpoints/step_000006"), (folder.parent, folder.name)]:
        monkeypatch.chdir(here)
        assert os.path.samefile(find_checkpoint(Path(path)), folder)
    monkeypatch.chdir(folder)
    assert os.path.samefile(find_checkpoint(Path()), folder)


def test_a_checkpoint_that_is_not_there_is_told(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "a", "running", steps=())
    with pytest.raises(CheckpointError, match=r"a has no checkpoint yet$"):
        find_checkpoint(run_dir.path)
    with pytest.raises(CheckpointError, match=r"step_000099: there is no such checkpoint$"):
        find_checkpoint(run_dir.checkpoint_dir(99))
    with pytest.raises(RunDirError, match=r"is not a run: no run\.json in it$"):
        find_checkpoint(tmp_path / "checkpoints" / "step_000001")


def test_a_checkpoint_named_from_inside_leads_to_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = make_run(tmp_path / "a")
    monkeypatch.chdir(run_dir.path / "checkpoints")
    assert find_checkpoint(Path("step_000006")) == run_dir.checkpoint_dir(6)


@pytest.mark.parametrize("name", ["adapter_config.json", "config.json"])
def test_any_models_folder_will_do_where_a_model_is_asked_for(name: str, tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match="is not a run, an adapter or a model: no run.json"):
        check_model_folder(tmp_path)
    (tmp_path / name).write_text("{}")
    check_model_folder(tmp_path)
    assert not is_run(tmp_path)


def test_a_run_and_its_checkpoints_are_a_runs(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "a")
    for path in (run_dir.path, run_dir.checkpoint_dir(6), run_dir.checkpoint_dir(99)):
        assert is_run(path)
    with pytest.raises(CheckpointError, match="there is no such checkpoint"):
        check_model_folder(run_dir.checkpoint_dir(99))


def test_what_holds_no_adapter_is_told_with_the_run_it_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "a")
    (tmp_path / "a" / "eval").mkdir(exist_ok=True)
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    told = "is not a run, a checkpoint or an adapter"
    lack = "no run.json or adapter_config.json in it"
    assert [describe_no_adapter(Path(name)) for name in ("none", "file", ".", "a/eval")] == [
        f"none {told}: no such folder",
        f"file {told}: a file, not a folder",
        f". {told}: {lack}",
        f"a/eval {told}: {lack}; it is in the run a",
    ]


def test_an_error_about_an_adapter_begins_with_its_folder() -> None:
    with (
        pytest.raises(AdapterError, match=r"^some/folder: r is odd$"),
        naming_folder(Path("some/folder")),
    ):
        raise AdapterError("r is odd")
