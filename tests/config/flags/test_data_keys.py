import shlex

import pytest

from qarank.config.flags.asked import read_flags
from qarank.config.flags.data_keys import (
    is_evaluated,
    translate_data,
    translate_model,
    translate_place,
)
from qarank.config.flags.draft import Draft
from qarank.errors import RecipeError


def build_draft(line: str) -> Draft:
    return Draft(read_flags(shlex.split(line)))


def refused(draft: Draft) -> list[str]:
    return [note.flag for note in draft.notes if note.kind == "impossible"]


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("--output_dir out/bert", {"name": "bert", "runs_dir": "out"}),
        ("--output_dir /tmp/bert/", {"name": "bert", "runs_dir": "/tmp"}),
        ("--output_dir bert", {"name": "bert", "runs_dir": "."}),
        ("--output_dir .", {}),
        ("", {}),
        (
            "--root_output_dir /data/v2 --sub_output_dir curve",
            {"name": "curve_frd_r8", "runs_dir": "/data/v2"},
        ),
        ("--root_output_dir /data/v2", {"name": "run_frd_r8", "runs_dir": "/data/v2"}),
    ],
)
def test_the_output_folder_is_the_runs_name_and_place(line: str, keys: dict[str, str]) -> None:
    draft = build_draft(line)
    translate_place(draft, method="frd_r8")
    assert draft.keys == keys
    assert draft.list_left() == []


def test_the_model_keeps_its_name_and_revision() -> None:
    draft = build_draft("--model_name_or_path a/b --model_revision v2 --trust_remote_code")
    translate_model(draft)
    assert draft.keys == {
        "model.name_or_path": "a/b",
        "model.revision": "v2",
        "model.trust_remote_code": True,
    }


def test_a_tokenizer_or_config_of_its_own_is_refused_but_not_the_models() -> None:
    draft = build_draft("--model_name_or_path a/b --tokenizer_name a/b --config_name c/d")
    translate_model(draft)
    assert refused(draft) == ["--config_name c/d"]


@pytest.mark.parametrize(
    ("line", "is_refused"),
    [
        ("--dataset_name squad --dataset_config_name plain_text", False),
        ("--dataset_name someone/qa --dataset_config_name qa", False),
        ("--dataset_name xquad --dataset_config_name xquad.de", True),
    ],
)
def test_a_configuration_is_refused_unless_it_is_the_only_one(line: str, is_refused: bool) -> None:
    draft = build_draft(line)
    translate_data(draft)
    assert bool(refused(draft)) == is_refused


@pytest.mark.parametrize("name", ["/data/squad", "./squad", "squad.json"])
def test_a_dataset_on_disk_is_refused(name: str) -> None:
    draft = build_draft(f"--dataset_name {name}")
    translate_data(draft)
    assert refused(draft) == [f"--dataset_name {name}"]
    assert draft.keys["data.source"] == name


def test_a_dataset_goes_before_files() -> None:
    draft = build_draft("--dataset_name squad --train_file a.json --validation_file b.json")
    translate_data(draft)
    assert draft.keys["data.source"] == "squad"
    assert "data.train" not in draft.keys
    assert draft.list_left() == []


def test_a_file_to_validate_on_is_left_out_where_nothing_is_evaluated() -> None:
    draft = build_draft("--train_file a.json --validation_file b.json")
    translate_data(draft)
    assert "data.validation" not in draft.keys
    assert draft.list_left() == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--do_eval", True),
        ("--do_eval false", False),
        ("--evaluation_strategy steps", True),
        ("--eval_strategy no", False),
        ("--evaluate_during_training", True),
        ("", False),
    ],
)
def test_run_qa_evaluates_when_told_or_when_it_is_to_do_so_regularly(
    line: str, expected: bool
) -> None:
    assert is_evaluated(build_draft(line)) == expected


def test_counts_of_examples_are_translated_and_their_choice_is_told() -> None:
    draft = build_draft("--dataset_name squad --max_train_samples 100 --max_eval_samples 50")
    translate_data(draft)
    assert draft.keys["data.max_train_examples"] == 100
    assert draft.keys["data.max_eval_examples"] == 50
    assert any("drawn by the seed" in note.text for note in draft.notes)


def test_data_and_model_must_be_named() -> None:
    with pytest.raises(RecipeError, match="names no training data"):
        translate_data(build_draft("--validation_file a.json"))
    with pytest.raises(RecipeError, match="names no model"):
        translate_model(build_draft(""))
