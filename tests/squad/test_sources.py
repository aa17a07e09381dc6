import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from qarank.errors import DataError
from qarank.squad import sources
from qarank.squad.examples import Example
from qarank.squad.sample import almanac
from qarank.squad.sources import load_examples, pick_examples

MakeFile = Callable[..., str]


@pytest.fixture
def make_file(tmp_path: Path) -> MakeFile:
    """Writes a SQuAD file with questions of the given ids."""

    def make(name: str, *ids: str) -> str:
        questions = [{"id": each, "question": "who?", "answers": []} for each in ids]
        paragraph = {"context": "the mason", "qas": questions}
        path = tmp_path / name
        path.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}), encoding="utf-8")
        return str(path)

    return make


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_sample_is_loaded_by_name(split: str) -> None:
    assert load_examples("sample:almanac", split) == almanac(split)


def test_an_unknown_sample_is_told_with_those_there_are() -> None:
    with pytest.raises(DataError, match="^there is no sample:squad; .* are sample:almanac$"):
        load_examples("sample:squad", "train")


def test_a_split_the_sample_has_not_is_told() -> None:
    with pytest.raises(DataError, match="^sample:almanac has no split test; it has train and val"):
        load_examples("sample:almanac", "test")


def test_several_files_are_one_source_in_their_order(make_file: MakeFile) -> None:
    files = [make_file("b.json", "3", "1"), make_file("a.json", "2")]
    assert [example.id for example in load_examples(files, "train")] == ["3", "1", "2"]


def test_a_file_is_known_by_its_ending_or_by_being_there(
    make_file: MakeFile, tmp_path: Path
) -> None:
    assert len(load_examples(make_file("without_ending", "1"), "train")) == 1
    for name in ("none.json", "none.json.gz"):
        with pytest.raises(DataError, match="does not exist"):
            load_examples(str(tmp_path / name), "train")
    with pytest.raises(DataError, match="is a folder"):
        load_examples(str(tmp_path), "train")


def test_anything_else_is_a_name_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def read(name: str, split: str) -> list[tuple[str, Example]]:
        asked.append((name, split))
        return [("here", Example("1", "", "the mason", "who?"))]

    monkeypatch.setattr(sources, "read_hub_dataset", read)
    assert len(load_examples("owner/squad_v2", "validation")) == 1
    assert asked == [("owner/squad_v2", "validation")]


def test_the_home_folder_may_be_written_short(
    make_file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_file("d.json", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(load_examples("~/d.json", "train")) == 1


def test_an_id_in_two_places_is_told_with_both(make_file: MakeFile) -> None:
    first, second = make_file("a.json", "x", "y"), make_file("b.json", "z", "y")
    with pytest.raises(DataError) as caught:
        load_examples([first, second], "train")
    assert str(caught.value) == (
        f"{second}: data[0].paragraphs[0].qas[1] has the id y,"
        f" as has {first}: data[0].paragraphs[0].qas[1]"
    )


def test_no_source_is_refused() -> None:
    with pytest.raises(DataError, match="^no data source is named"):
        load_examples([], "train")


EXAMPLES = [Example(str(number), "", "the mason", "who?") for number in range(50)]


def test_without_a_seed_the_first_are_kept() -> None:
    assert pick_examples(EXAMPLES, limit=3, seed=None) == EXAMPLES[:3]


def test_with_a_seed_a_fixed_choice_is_kept_in_data_order() -> None:
    chosen = [int(example.id) for example in pick_examples(EXAMPLES, limit=9, seed=4)]
    assert chosen == sorted(random.Random(4).sample(range(50), 9))
    assert chosen != [int(example.id) for example in pick_examples(EXAMPLES, limit=9, seed=5)]


@pytest.mark.parametrize("limit", [None, 50, 1000])
def test_a_limit_beyond_the_data_keeps_all(limit: int | None) -> None:
    assert pick_examples(EXAMPLES, limit=limit, seed=1) == EXAMPLES


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(DataError, match=f"^{limit} examples were asked for; it must be at least 1"):
        pick_examples(EXAMPLES, limit=limit, seed=None)


def test_the_limit_reaches_the_loaded_examples(make_file: MakeFile) -> None:
    path = make_file("a.json", "1", "2", "3")
    assert [example.id for example in load_examples(path, "train", limit=2)] == ["1", "2"]
