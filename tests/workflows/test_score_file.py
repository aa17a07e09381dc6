import json
from pathlib import Path
from typing import Any

import pytest

from qarank.errors import DataError
from qarank.workflows.compare import Certainty
from qarank.workflows.score_file import score_file

CONTEXT = "The keeper wrote the report in June."


def squad_file(folder: Path, *, with_impossible: bool) -> Path:
    questions: list[dict[str, Any]] = [
        {"id": "a", "question": "Who?", "answers": [{"text": "keeper", "answer_start": 4}]},
        {"id": "b", "question": "When?", "answers": [{"text": "June", "answer_start": 31}]},
    ]
    if with_impossible:
        questions.append({"id": "c", "question": "Why?", "answers": [], "is_impossible": True})
    path = folder / "data.json"
    document = {"data": [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": questions}]}]}
    path.write_text(json.dumps(document))
    return path


def answers_file(folder: Path, answers: dict[str, Any], name: str = "answers.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(answers))
    return path


def test_data_with_unanswerable_questions_is_scored_as_v2(tmp_path: Path) -> None:
    data = squad_file(tmp_path, with_impossible=True)
    answers = answers_file(tmp_path, {"a": "the keeper", "b": "", "c": ""})
    metrics, num_missing = score_file(answers, data, na_prob=None, na_prob_thresh=1.0)
    assert num_missing == 0
    assert metrics["exact"] == pytest.approx(200 / 3)
    assert (metrics["HasAns_exact"], metrics["NoAns_exact"]) == (50.0, 100.0)
    assert not any(key.startswith("best_") for key in metrics)


def test_data_without_them_is_scored_as_v1(tmp_path: Path) -> None:
    data = squad_file(tmp_path, with_impossible=False)
    answers = answers_file(tmp_path, {"a": "keeper"})
    metrics, num_missing = score_file(answers, data, na_prob=None, na_prob_thresh=1.0)
    assert metrics == {"exact_match": 50.0, "f1": 50.0}
    assert num_missing == 1


def test_no_answer_scores_bring_the_best_threshold_and_are_applied(tmp_path: Path) -> None:
    data = squad_file(tmp_path, with_impossible=True)
    answers = answers_file(tmp_path, {"a": "keeper", "b": "June", "c": "report"})
    odds = answers_file(tmp_path, {"a": 0.1, "b": 0.9, "c": 0.8}, "odds.json")
    metrics, _ = score_file(answers, data, na_prob=odds, na_prob_thresh=0.5)
    assert metrics["exact"] == pytest.approx(200 / 3)  # a and c: b's score is above 0.5
    assert metrics["best_exact"] == pytest.approx(200 / 3)
    assert "best_f1_thresh" in metrics


def test_answers_to_other_questions_are_refused(tmp_path: Path) -> None:
    data = squad_file(tmp_path, with_impossible=True)
    answers = answers_file(tmp_path, {"z": "keeper"})
    with pytest.raises(DataError) as caught:
        score_file(answers, data, na_prob=None, na_prob_thresh=1.0)
    assert "\n" not in str(caught.value)


def test_intervals_and_a_comparison_stand_beside_the_official_keys(tmp_path: Path) -> None:
    data = squad_file(tmp_path, with_impossible=True)
    answers = answers_file(tmp_path, {"a": "the keeper", "b": "", "c": ""})
    others = answers_file(tmp_path, {"a": "", "b": ""}, "others.json")
    wanted = Certainty(resamples=50, against=others)
    metrics, _ = score_file(answers, data, na_prob=None, na_prob_thresh=1.0, wanted=wanted)
    plain, _ = score_file(answers, data, na_prob=None, na_prob_thresh=1.0)
    assert {key: metrics[key] for key in plain} == plain
    assert metrics.keys() - plain.keys() == {"ci95", "against"}
    assert metrics["ci95"]["NoAns_exact"] == [100.0, 100.0]
    assert (metrics["against"]["questions"], metrics["against"]["path"]) == (2, str(others))
    assert metrics["against"]["exact"]["difference"] == 50.0


def test_v1s_questions_without_a_prediction_count_nothing_in_both(tmp_path: Path) -> None:
    data = squad_file(tmp_path, with_impossible=False)
    answers = answers_file(tmp_path, {"a": "keeper", "b": "June"})
    others = answers_file(tmp_path, {"a": "keeper"}, "others.json")
    wanted = Certainty(resamples=50, against=others)
    metrics, _ = score_file(answers, data, na_prob=None, na_prob_thresh=1.0, wanted=wanted)
    assert metrics["against"]["exact_match"]["against"] == 50.0


def test_a_file_is_compared_with_a_runs_answers_to_the_same_data(
    tmp_path: Path, pruned_run: Any
) -> None:
    data = squad_file(tmp_path, with_impossible=True)
    answers = answers_file(tmp_path, {"a": "keeper"})
    wanted = Certainty(resamples=9, against=pruned_run.folder)
    with pytest.raises(DataError, match="has no answers to data yet"):
        score_file(answers, data, na_prob=None, na_prob_thresh=1.0, wanted=wanted)
