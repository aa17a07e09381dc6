import time
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets.arrow_writer import ArrowWriter

from qarank.errors import DataError, HubError
from qarank.squad import hub_dataset
from qarank.squad.examples import Example
from qarank.squad.hub_dataset import read_hub_dataset

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
EXAMPLES = [
    Example("q1", "Towns", "the mason", "who?", ("mason", "mason"), (4, 4)),
    Example("q2", "Towns", "the mason", "when?"),
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


def test_rows_of_the_hub_become_examples_with_their_places(hub: dict[str, Any]) -> None:
    hub["squad_v2"] = datasets.Dataset.from_list(ROWS, features=FEATURES)
    rows = read_hub_dataset("squad_v2", "train")
    assert [example for _, example in rows] == EXAMPLES
    assert [where for where, _ in rows] == ["squad_v2: train[0]", "squad_v2: train[1]"]


def test_columns_that_are_not_squads_are_told(hub: dict[str, Any]) -> None:
    hub["imdb"] = datasets.Dataset.from_list([{"text": "x", "label": 0}])
    message = (
        "^imdb is not SQuAD: it has no column id, context, question, answers; it has text, label$"
    )
    with pytest.raises(DataError, match=message):
        read_hub_dataset("imdb", "train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"answers": {"text": ["the"], "answer_start": [1]}},
            r"train\[0\] \(id q1\).answers\[0\]",
        ),
        ({"answers": {"text": ["a", "b"], "answer_start": [1]}}, "has 2 texts and 1 starts"),
        ({"answers": "mason"}, r's: train\[0\].answers is the text "mason"; it must be an object'),
        ({"context": None}, r"s: train\[0\].context is null; it must be text"),
        ({"context": ""}, r"s: train\[0\].context is empty"),
    ],
)
def test_a_wrong_row_is_told_with_its_place(
    hub: dict[str, Any], change: dict[str, object], message: str
) -> None:
    hub["s"] = datasets.Dataset.from_list([ROWS[0] | change])
    with pytest.raises(DataError, match=message):
        read_hub_dataset("s", "train")


def test_an_empty_split_is_told(hub: dict[str, Any]) -> None:
    hub["s"] = datasets.Dataset.from_list(ROWS, features=FEATURES).select([])
    with pytest.raises(DataError, match="^s holds no questions in its split test$"):
        read_hub_dataset("s", "test")


def test_whatever_the_hub_raises_is_one_line(hub: dict[str, Any]) -> None:
    hub["s"] = ValueError("Unknown split \"dev\". Should be one of ['train'].\nand more")
    with pytest.raises(HubError, match=r"^s cannot be had from the hub \(ValueError: Unk.+\)$"):
        read_hub_dataset("s", "dev")
    hub["t"] = RuntimeError()
    with pytest.raises(HubError, match=r"^t cannot be had from the hub \(RuntimeError\)$"):
        read_hub_dataset("t", "dev")


def test_a_kind_of_file_is_no_data_set() -> None:
    with pytest.raises(DataError, match="^json is a kind of file and no data set"):
        read_hub_dataset("json", "train")


def test_without_a_hub_and_a_cache_the_way_out_is_told_at_once(no_hub: Path) -> None:
    begin = time.monotonic()
    with pytest.raises(HubError) as caught:
        read_hub_dataset("squad_v2", "train")
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
    assert [example for _, example in read_hub_dataset("squad_v2", "train")] == EXAMPLES
    assert before == datasets.config.HF_HUB_OFFLINE


def test_a_split_the_cache_does_not_hold_is_told(no_hub: Path) -> None:
    fill_cache(no_hub)
    with pytest.raises(HubError, match="^squad_v2 cannot be had from the cache .*dev"):
        read_hub_dataset("squad_v2", "dev")
