import time
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets.arrow_writer import ArrowWriter

from qarank.errors import DataError, HubError
from qarank.squad import hub_dataset
from qarank.squad.columns import USUAL
from qarank.squad.hub_dataset import read_hub_rows
from qarank.squad.rows import Row

ROWS: list[dict[str, Any]] = [
    {
        "id": "q1",
        "title": "Towns",
        "context": "the mason",
        "question": "who?",
        "answers": {"text": ["mason", "mason"], "answer_start": [4, 4]},
    },
    {
        "id": "q2",
        "title": "Towns",
        "context": "the mason",
        "question": "when?",
        "answers": {"text": [], "answer_start": []},
    },
]
FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "title": datasets.Value("string"),
        "context": datasets.Value("string"),
        "question": datasets.Value("string"),
        "answers": {
            "text": datasets.List(datasets.Value("string")),
            "answer_start": datasets.List(datasets.Value("int32")),
        },
    }
)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A hub within reach, made of what the test puts in: name -> data set or exception."""
    shelf: dict[str, Any] = {}

    def load(name: str, split: str) -> Any:
        found = shelf[name]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(hub_dataset, "is_hub_reachable", lambda: True)
    monkeypatch.setattr(datasets, "load_dataset", load)
    return shelf


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No hub within reach; gives the folder datasets has its cache in."""
    monkeypatch.setattr(hub_dataset, "is_hub_reachable", lambda: False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    return tmp_path


def read(name: str, split: str) -> list[Row]:
    return list(read_hub_rows(name, split, USUAL))


def test_rows_of_the_hub_come_with_their_places(hub: dict[str, Any]) -> None:
    hub["squad_v2"] = datasets.Dataset.from_list(ROWS, features=FEATURES)
    assert read("squad_v2", "train") == [
        Row("squad_v2: train[0]", ROWS[0], "flat"),
        Row("squad_v2: train[1]", ROWS[1], "flat"),
    ]


def test_columns_that_are_not_squads_are_told(hub: dict[str, Any]) -> None:
    hub["imdb"] = datasets.Dataset.from_list([{"text": "x", "label": 0}])
    message = (
        r"^imdb has no column question, context, answers \(or answer_text\); it has text, label;"
        " name yours with data.columns$"
    )
    with pytest.raises(DataError, match=message):
        read("imdb", "train")


def test_an_empty_split_has_no_rows(hub: dict[str, Any]) -> None:
    hub["s"] = datasets.Dataset.from_list(ROWS, features=FEATURES).select([])
    assert read("s", "test") == []


def test_whatever_the_hub_raises_is_one_line(hub: dict[str, Any]) -> None:
    hub["s"] = ValueError("Unknown split \"dev\". Should be one of ['train'].\nand more")
    with pytest.raises(HubError, match=r"^s cannot be had from the hub \(ValueError: Unk.+\)$"):
        read("s", "dev")
    hub["t"] = RuntimeError()
    with pytest.raises(HubError, match=r"^t cannot be had from the hub \(RuntimeError\)$"):
        read("t", "dev")


def test_a_kind_of_file_is_no_data_set() -> None:
    with pytest.raises(DataError, match="^json is a kind of file and no data set"):
        read("json", "train")


def test_without_a_hub_and_a_cache_the_way_out_is_told_at_once(no_hub: Path) -> None:
    begin = time.monotonic()
    with pytest.raises(HubError) as caught:
        read("squad_v2", "train")
    assert time.monotonic() - begin < 3
    assert str(caught.value) == (
        "squad_v2 is not a file, and the hub cannot be reached: download the official JSON and"
        " name it as data.train / data.validation, or set HF_HOME to a cache that holds it"
    )


def fill_cache(folder: Path) -> None:
    """Lay a data set where datasets keeps what it once had from the hub."""
    target = folder / "squad_v2" / "squad_v2" / "0.0.0" / "0123456789abcdef"
    target.mkdir(parents=True)
    with ArrowWriter(features=FEATURES, path=str(target / "squad_v2-train.arrow")) as writer:
        for row in ROWS:
            writer.write(row)
        writer.finalize()
    splits = [{"name": "train", "num_examples": len(ROWS), "dataset_name": "squad_v2"}]
    datasets.DatasetInfo(
        features=FEATURES,
        splits=splits,
        builder_name="parquet",
        dataset_name="squad_v2",
        config_name="squad_v2",
        version="0.0.0",
    ).write_to_directory(str(target))


def test_without_a_hub_the_cache_is_used(no_hub: Path) -> None:
    fill_cache(no_hub)
    before = datasets.config.HF_HUB_OFFLINE
    assert [row.values for row in read("squad_v2", "train")] == ROWS
    assert before == datasets.config.HF_HUB_OFFLINE


def test_a_split_the_cache_does_not_hold_is_told(no_hub: Path) -> None:
    fill_cache(no_hub)
    with pytest.raises(HubError, match="^squad_v2 cannot be had from the cache .*dev"):
        read("squad_v2", "dev")
