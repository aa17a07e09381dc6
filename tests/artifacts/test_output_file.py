from pathlib import Path

import pytest

from qarank.artifacts.output_file import check_output_file
from qarank.errors import DataError


def check(path: Path, *, overwrite: bool = False) -> None:
    check_output_file(path, endings=[".png", ".csv"], what="pictures", overwrite=overwrite)


def test_a_new_file_may_be_written_in_folders_that_are_still_to_be_made(tmp_path: Path) -> None:
    check(tmp_path / "new" / "folder" / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.txt", "png", "a.PNG"])
def test_another_ending_is_told_with_those_allowed(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must end in \.png, \.csv for pictures"):
        check(tmp_path / name)


def test_a_file_that_is_there_is_replaced_only_if_told_to(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.touch()
    with pytest.raises(DataError, match="is there already; --overwrite replaces it"):
        check(path)
    check(path, overwrite=True)


def test_a_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(DataError, match="is a folder; name a file in it"):
        check(tmp_path / "a.csv", overwrite=True)


def test_a_file_is_no_folder_to_write_in(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file is no folder"):
        check(tmp_path / "file" / "a.csv")
