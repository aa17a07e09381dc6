import shlex
from typing import Any

import pytest

from qarank.config.flags.asked import read_flags
from qarank.config.flags.draft import Draft
from qarank.config.flags.eval_keys import translate_eval


def translate(line: str, **train: Any) -> Draft:
    draft = Draft(read_flags(shlex.split(line)))
    draft.put("data.source", "squad")
    draft.put("train.epochs", train.get("epochs", 4))
    draft.put("train.log_every", 300)
    translate_eval(draft)
    return draft


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("", {"every": None, "batch_size": 8, "n_best_size": 20, "max_answer_length": 30}),
        ("--per_device_eval_batch_size 4", {"batch_size": 4}),
        ("--per_gpu_eval_batch_size 4 --per_device_eval_batch_size 2", {"batch_size": 4}),
        ("--evaluation_strategy steps --eval_steps 100", {"every": 100}),
        ("--eval_strategy steps", {"every": 300}),
        ("--eval_strategy epoch", {"every": 0.25}),
        ("--evaluate_during_training --eval_steps 7", {"every": 7}),
        ("--eval_strategy no --eval_steps 100", {"every": None}),
        ("--eval_steps 100", {"every": None}),
        ("--n_best_size 5 --max_answer_length 9", {"n_best_size": 5, "max_answer_length": 9}),
        ("--version_2_with_negative --null_score_diff_threshold -1.5", {"null_threshold": -1.5}),
        ("--null_score_diff_threshold 2", {"null_threshold": None}),
        ("--load_best_model_at_end --metric_for_best_model eval_f1", {"best_metric": "f1"}),
        ("--load_best_model_at_end --metric_for_best_model exact_match", {"best_metric": "exact"}),
        ("--metric_for_best_model loss", {"best_metric": None}),
        ("--load_best_model_at_end false --greater_is_better", {"best_metric": None}),
    ],
)
def test_a_flag_about_evaluation_is_a_key(line: str, keys: dict[str, Any]) -> None:
    draft = translate(line)
    assert {key: draft.keys.get(f"eval.{key}") for key in keys} == keys
    assert set(draft.list_left()) <= {"version_2_with_negative"}  # data's
    assert [note for note in draft.notes if note.kind == "impossible"] == []


@pytest.mark.parametrize(
    "line",
    ["--load_best_model_at_end", "--metric_for_best_model loss --load_best_model_at_end"],
)
def test_the_best_by_loss_is_refused(line: str) -> None:
    refused = [note for note in translate(line).notes if note.kind == "impossible"]
    assert "--load_best_model_at_end" in [note.flag for note in refused]


def test_the_least_as_the_best_is_refused() -> None:
    (note,) = [n for n in translate("--greater_is_better no").notes if n.kind == "impossible"]
    assert note.flag == "--greater_is_better no"


def test_once_an_epoch_needs_epochs() -> None:
    draft = translate("--eval_strategy epoch", epochs=None)
    assert [note.flag for note in draft.notes if note.kind == "impossible"] == [
        "--eval_strategy epoch"
    ]


def test_it_is_told_that_the_end_is_evaluated_without_do_eval() -> None:
    told = "the end of a run is evaluated, with or without --do_eval"
    assert told in [note.text for note in translate("").notes]
    assert told not in [note.text for note in translate("--do_eval").notes]
