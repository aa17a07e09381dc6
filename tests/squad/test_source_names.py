from pathlib import Path

import pytest

from qarank.squad.source_names import (
    expand_path,
    file_stem,
    is_file_name,
    list_made_stems,
    name_file,
)


@pytest.mark.parametrize(
    "name", ["a.json", "a.JSON.GZ", "x/a.csv", "a.tsv", "a.jsonl", "a.parquet", "/a", "./a", "~/a"]
)
def test_a_file_is_known_by_its_ending_or_as_a_path(name: str) -> None:
    assert is_file_name(name)
    assert name_file(Path(name)).removeprefix("./") == name.removeprefix("./")


@pytest.mark.parametrize("name", ["squad", "owner/name", "owner/v2.0", "sample:almanac", "a.txt"])
def test_any_other_name_is_none_of_a_file_unless_it_is_written_as_a_path(name: str) -> None:
    assert not is_file_name(name)
    assert is_file_name(name_file(Path(name)))


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("data/dev-v2.0.json.gz", "dev-v2.0"),
        ("dev-v2.0.CSV", "dev-v2.0"),
        ("./part-00000", "part-00000"),
        ("a.txt", "a.txt"),
        (".json", ".json"),
    ],
)
def test_a_stem_has_lost_its_folders_and_known_endings(name: str, stem: str) -> None:
    assert file_stem(name) == stem


def test_the_home_folder_may_be_written_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert expand_path("~/a.json") == Path("/home/me/a.json")


@pytest.mark.parametrize(
    ("names", "stems"),
    [
        (["a/train.csv", "b/dev.csv"], ["train", "dev"]),
        (["a/train.csv", "b/train.json", "c/train"], ["train", "train-2", "train-3"]),
        (["a/train-2.csv", "a/train.csv", "b/train.csv"], ["train-2", "train", "train-3"]),
        (["a/train.csv", "b/train.csv", "a/train-2.csv"], ["train", "train-2", "train-2-2"]),
        (["a/train.csv", "./a/train.csv"], ["train", "train"]),  # one file
        ([], []),
    ],
)
def test_made_ids_begin_otherwise_in_each_file(names: list[str], stems: list[str]) -> None:
    assert list_made_stems(names) == stems
