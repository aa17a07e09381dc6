"""Several files as one source: ids that were made, and names that only some of them need."""

import json
from pathlib import Path
from typing import Any

import pytest

from qarank.errors import DataError
from qarank.squad.columns import Columns
from qarank.squad.sources import load_data

RECORD: dict[str, Any] = {"question": "Where?", "context": "In Ulm.", "answers": ["Ulm"]}
QUESTION = {"id": "n", "question": "Where?", "answers": ["Ulm"]}
NESTED = {"data": [{"paragraphs": [{"context": "In Ulm.", "qas": [QUESTION]}]}]}
COLUMNS = Columns({"context": "body"})


def write(path: Path, document: object) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))
    return str(path)


def test_files_of_one_name_without_ids_have_other_ids(tmp_path: Path) -> None:
    names = [write(tmp_path / folder / "train.jsonl", RECORD) for folder in "ab"]
    data = load_data(names, "train")
    assert [example.id for example in data.examples] == ["train-0", "train-2-0"]
    assert data.unnamed == names


def test_one_file_named_twice_has_every_id_twice(tmp_path: Path) -> None:
    name = write(tmp_path / "train.jsonl", RECORD)
    with pytest.raises(DataError, match=r"line 1 has the id train-0, as has .*: line 1$"):
        load_data([name, name], "train")


def test_it_is_known_whether_names_of_columns_named_anything(tmp_path: Path) -> None:
    nested = write(tmp_path / "nested.json", NESTED)
    assert not load_data(nested, "train", columns=COLUMNS).is_mapped


def test_names_of_columns_need_not_be_everyones(tmp_path: Path) -> None:
    nested = write(tmp_path / "nested.json", NESTED)
    record = {"id": "f", "question": "Where?", "body": "In Ulm.", "answers": ["Ulm"]}
    flat = write(tmp_path / "flat.json", [record])
    found = load_data([nested, flat], "train", columns=COLUMNS)
    assert [example.id for example in found.examples] == ["n", "f"]
    assert found.is_mapped
    # The mapping may be the training data's.
    assert len(load_data(nested, "validation", columns=COLUMNS).examples) == 1
    where_there = Columns(COLUMNS.mapping, where_there=True)
    assert len(load_data(nested, "train", columns=where_there).examples) == 1
