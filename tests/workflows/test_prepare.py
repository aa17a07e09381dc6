import json
from collections.abc import Callable
from typing import Any

import pytest

from qarank.config.schema import Recipe
from qarank.errors import AdapterError, DataError
from qarank.workflows.prepare import describe_parts, describe_preparation, prepare_run

DATA = {
    "source": "sample:almanac",
    "max_train_examples": 64,
    "max_eval_examples": 24,
    "max_seq_length": 160,
    "doc_stride": 32,
}


def test_a_recipe_becomes_data_and_a_plan(tiny_recipe: Callable[..., Recipe]) -> None:
    prepared = prepare_run(tiny_recipe())
    assert list(prepared.parts) == ["train", "validation"]
    assert prepared.plan.num_features == len(prepared.train.table)
    assert prepared.with_null  # the almanac has questions without an answer
    assert prepared.tokenizer.is_fast


def test_the_parts_are_counted(tiny_recipe: Callable[..., Recipe]) -> None:
    prepared = prepare_run(tiny_recipe())
    facts = describe_parts(prepared)["train"]
    impossible = [example.is_impossible for example in prepared.train.examples]
    assert facts["examples"] == 64
    assert facts["unanswerable"] == sum(impossible) > 0
    assert facts["features"] == len(prepared.train.table) >= 64
    assert facts["longest_feature"] <= 160


def test_what_is_reported_is_json(tiny_recipe: Callable[..., Recipe]) -> None:
    report = describe_preparation(prepare_run(tiny_recipe()))
    assert json.loads(json.dumps(report)) == report
    assert set(report) == {"features_dir", "version_2_with_negative", "data", "plan"}


def test_no_folder_is_made(tiny_recipe: Callable[..., Recipe], tmp_path: Any) -> None:
    prepare_run(tiny_recipe())
    assert not (tmp_path / "runs").exists()


def test_windows_beyond_the_models_positions_are_refused(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    with pytest.raises(DataError, match="max_seq_length is 257; this model has 256 positions"):
        prepare_run(tiny_recipe(data={**DATA, "max_seq_length": 257}))


def test_targets_that_match_nothing_are_refused_with_what_could_match(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    adapter = {"type": "svd", "r": 4, "target_modules": ["q_lin"]}
    with pytest.raises(AdapterError, match="'q_lin' matches no linear of this bert model") as info:
        prepare_run(tiny_recipe(adapter=adapter))
    assert "words: query, key, value" in str(info.value)
    assert "attention.self.query" in str(info.value)


def test_the_head_is_no_target(tiny_recipe: Callable[..., Recipe]) -> None:
    adapter = {"type": "svd", "r": 2, "target_modules": ["qa_outputs"]}
    with pytest.raises(AdapterError, match="'qa_outputs' matches no linear"):
        prepare_run(tiny_recipe(adapter=adapter))
