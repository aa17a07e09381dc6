import errno
import shutil
from pathlib import Path

import pytest

from qarank.artifacts.folders import (
    clear_leftovers,
    delete_folder,
    put_back_all,
    replace_folder,
)
from qarank.errors import RunError


def make(folder: Path, content: str = "old") -> Path:
    folder.mkdir()
    (folder / "file").write_text(content)
    return folder


def contents_of(parent: Path) -> dict[str, str]:
    return {folder.name: (folder / "file").read_text() for folder in parent.iterdir()}


@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder_gets_its_name_and_one_that_had_it_goes(tmp_path: Path, is_there: bool) -> None:
    if is_there:
        make(tmp_path / "a")
    replace_folder(make(tmp_path / "beside", "new"), tmp_path / "a")
    assert contents_of(tmp_path) == {"a": "new"}


def test_a_replacement_that_fails_half_way_keeps_the_old_one(tmp_path: Path) -> None:
    make(tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "gone", tmp_path / "a")
    assert contents_of(tmp_path) == {"a": "old"}


def test_a_replacement_killed_between_its_renames_is_undone(tmp_path: Path) -> None:
    make(tmp_path / ".step_000012.old")
    put_back_all(tmp_path)
    put_back_all(tmp_path)
    assert contents_of(tmp_path) == {"step_000012": "old"}


def test_a_replacement_killed_after_its_renames_stands(tmp_path: Path) -> None:
    make(tmp_path / ".step_000012.old")
    make(tmp_path / "step_000012", "new")
    put_back_all(tmp_path)
    clear_leftovers(tmp_path)
    assert contents_of(tmp_path) == {"step_000012": "new"}


def test_a_replacement_after_a_killed_one_never_stands_without_either(tmp_path: Path) -> None:
    make(tmp_path / ".a.old")
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "gone", tmp_path / "a")
    assert contents_of(tmp_path) == {"a": "old"}


def test_what_killed_processes_left_goes_and_nothing_else(tmp_path: Path) -> None:
    stays = ["step_000006", ".mine.part", ".step_000006.mine", "damaged_step_000018"]
    for name in (*stays, ".step_000012.part", ".step_000012.old", ".step_000012.doomed"):
        make(tmp_path / name)
    clear_leftovers(tmp_path)
    assert sorted(contents_of(tmp_path)) == sorted(stays)


def test_a_parent_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    put_back_all(tmp_path / "gone")
    clear_leftovers(tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


def test_a_deletion_that_fails_is_told_and_leaves_no_half_folder_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(tmp_path / "step_000012")

    def fail(_: Path) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", fail)
        with pytest.raises(RunError, match="step_000012 cannot be written: Device or resource"):
            delete_folder(folder)
    assert sorted(contents_of(tmp_path)) == [".step_000012.doomed"]
    delete_folder(make(folder))
    assert contents_of(tmp_path) == {}
