import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from qarank.config.data_schema import DataConfig
from qarank.config.schema import Recipe
from qarank.errors import DataError
from qarank.squad.loaded_data import LoadedData
from qarank.squad.sample import almanac
from qarank.workflows.data import (
    Part,
    allows_no_answer,
    check_answerable,
    check_columns_used,
    features_cache_dir,
    label_data,
    load_evaluation_part,
    load_train_parts,
    load_validation_part,
    tell_notes,
)

ANSWERS = {"text": ["Ann"], "answer_start": [0]}


@pytest.fixture
def tokenizer(tiny_model_dir: Path) -> PreTrainedTokenizerBase:
    """The tiny model's."""
    return AutoTokenizer.from_pretrained(tiny_model_dir)


@pytest.mark.parametrize(
    ("source", "split", "label"),
    [
        ("data/squad_v2_eval.json.gz", "validation", "squad_v2_eval"),
        ("/a.b/dev-v2.0.json", "validation", "dev-v2.0"),
        (["first.json", "second.json"], "train", "first"),
        ("data/dev-v2.0.CSV.gz", "validation", "dev-v2.0"),
        ("./part-00000", "train", "part-00000"),
        ("sample:almanac", "train", "almanac-train"),
        ("squad_v2", "validation", "squad_v2-validation"),
        ("somebody/their_squad", "dev", "somebody_their_squad-dev"),
    ],
)
def test_a_label_can_be_a_folders_name(source: str | list[str], split: str, label: str) -> None:
    assert label_data(source, split) == label


def test_features_are_kept_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QARANK_CACHE", "/mine")
    assert features_cache_dir() == Path("/mine/features")
    monkeypatch.delenv("QARANK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert features_cache_dir() == Path("/cache/qarank/features")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert features_cache_dir() == Path.home() / ".cache" / "qarank" / "features"


@pytest.mark.parametrize(
    ("said", "is_impossible", "allowed"),
    [("auto", True, True), ("auto", False, False), (True, False, True), (False, True, False)],
)
def test_no_answer_is_allowed_as_said_or_as_the_data_shows(
    said: bool, is_impossible: bool, allowed: bool
) -> None:
    data = DataConfig.model_validate({"source": "x", "version_2_with_negative": said})
    shown = [e for e in almanac("validation") if e.is_impossible == is_impossible][:2]
    assert allows_no_answer(data, [], shown) == allowed


def test_training_examples_are_a_random_share_and_evaluation_takes_the_first(
    tiny_recipe: Callable[..., Recipe], tokenizer: PreTrainedTokenizerBase
) -> None:
    recipe = tiny_recipe()
    train = load_train_parts(recipe, tokenizer)[0]
    validation = load_validation_part(recipe, tokenizer)
    assert validation is not None
    assert len(train.examples) == 64
    assert train.examples != almanac("train")[:64]
    assert validation.examples == almanac("validation")[:24]
    assert (train.label, validation.label) == ("almanac-train", "almanac-validation")


def test_features_are_built_once(
    tiny_recipe: Callable[..., Recipe],
    tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QARANK_CACHE", str(tmp_path / "fresh"))
    first = load_train_parts(tiny_recipe(), tokenizer)[0]
    again = load_train_parts(tiny_recipe(), tokenizer)[0]
    assert (first.was_cached, again.was_cached) == (False, True)
    assert (first.table.input_ids == again.table.input_ids).all()


def test_without_evaluation_data_there_is_no_part(
    tiny_recipe: Callable[..., Recipe], tokenizer: PreTrainedTokenizerBase
) -> None:
    assert load_validation_part(tiny_recipe(data={"train": "x.json"}), tokenizer) is None


def test_evaluation_data_may_come_from_elsewhere(
    tiny_recipe: Callable[..., Recipe], tokenizer: PreTrainedTokenizerBase
) -> None:
    recipe = tiny_recipe()
    part = load_evaluation_part(
        "sample:almanac", "train", lengths=recipe.data, tokenizer=tokenizer, limit=24
    )
    assert part.examples == almanac("train")[:24]


CSV = "ask,body,gold\nWho?,In Ulm.,Ulm\nWhere?,In Bonn.,Ulm\nWhen?,In Ulm.,\n"
COLUMNS = {"question": "ask", "context": "body", "answer_text": "gold"}


def csv_recipe(build: Callable[..., Recipe], folder: Path) -> Recipe:
    """Of a file with columns of its own names, and an answer that is nowhere."""
    path = folder / "mine.csv"
    path.write_text(CSV)
    files = {"train": str(path), "validation": str(path), "columns": COLUMNS}
    return build(data={**files, "max_seq_length": 64, "doc_stride": 8})


def load_train_part(*args: Any, **options: Any) -> Part:
    return load_train_parts(*args, **options)[0]


@pytest.mark.parametrize("load", [load_train_part, load_validation_part])
def test_columns_have_the_names_the_recipe_says(
    load: Callable[..., Part],
    tiny_recipe: Callable[..., Recipe],
    tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    recipe = csv_recipe(tiny_recipe, tmp_path)
    with pytest.raises(DataError, match='line 3 .* is "Ulm" without an answer_start'):
        load(recipe, tokenizer)
    part = load(recipe, tokenizer, keep_faults=True)
    assert [example.id for example in part.examples] == ["mine-0", "mine-2"]
    assert [fault.id for fault in part.data.faults] == ["mine-1"]
    with caplog.at_level("INFO", "qarank"):
        tell_notes(part)
    assert [record.getMessage() for record in caplog.records] == [
        f"mine: {tmp_path}/mine.csv has no ids: each is the file's name and a number, from 0",
        "mine: answers without an answer_start, found since they occur once: 1",
    ]


TUNED = {"source": "sample:almanac", "max_train_examples": 64, "threshold_share": 0.25}


def test_a_share_of_the_training_articles_is_held_out_for_the_threshold(
    tiny_recipe: Callable[..., Recipe], tokenizer: PreTrainedTokenizerBase
) -> None:
    recipe = tiny_recipe(data=TUNED, eval={"null_threshold": "tuned"})
    train, held = load_train_parts(recipe, tokenizer)
    assert held is not None
    assert held.label == "almanac-train-threshold"
    assert len(held.examples) >= 16
    assert len(train.examples) + len(held.examples) == 64
    assert not {e.title for e in train.examples} & {e.title for e in held.examples}
    assert {e.is_impossible for e in held.examples} == {True, False}
    assert held.table.example_index.max() == len(held.examples) - 1


def test_nothing_is_held_out_unless_asked_for(
    tiny_recipe: Callable[..., Recipe], tokenizer: PreTrainedTokenizerBase
) -> None:
    assert load_train_parts(tiny_recipe(), tokenizer)[1] is None


def test_a_held_out_part_that_says_nothing_of_a_threshold_is_refused(
    tiny_recipe: Callable[..., Recipe], tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    path = tmp_path / "answered.json"
    rows = [
        {"id": f"q{n}", "question": "Who?", "context": f"Ann {n}.", "answers": ANSWERS}
        for n in range(9)
    ]
    path.write_text(json.dumps(rows))
    files = {"train": str(path), "validation": str(path), "threshold_share": 0.3}
    recipe = tiny_recipe(data=files, eval={"null_threshold": "tuned"})
    with pytest.raises(DataError, match="every question of the 3 that data.threshold_share 0.3"):
        load_train_parts(recipe, tokenizer)


def test_questions_without_an_answer_are_refused_where_the_recipe_rules_them_out(
    tiny_recipe: Callable[..., Recipe], tokenizer: PreTrainedTokenizerBase
) -> None:
    part = load_validation_part(tiny_recipe(), tokenizer)
    assert part is not None
    check_answerable(DataConfig(source="x"), part)
    with pytest.raises(DataError, match=r"is false, but \d+ of the 24 questions of almanac-valid"):
        check_answerable(DataConfig(source="x", version_2_with_negative=False), part)


def test_names_of_columns_must_name_something_in_one_of_the_parts(
    tiny_recipe: Callable[..., Recipe], tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    recipe = csv_recipe(tiny_recipe, tmp_path)
    mapped = load_validation_part(recipe, tokenizer, keep_faults=True)
    assert mapped is not None
    nested = Part("nested", LoadedData([], []), mapped.table, was_cached=False)
    check_columns_used(recipe.data, [nested, mapped])
    check_columns_used(DataConfig(train="a.csv"), [nested])
    with pytest.raises(DataError, match="^nested: SQuAD's nested JSON, .* so data.columns names"):
        check_columns_used(recipe.data, [nested])
