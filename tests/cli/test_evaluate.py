import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOLDEN = {  # the official script's, on the eval part and bert_single
    "exact": 78.97334649555775,
    "f1": 81.82635533198284,
    "HasAns_exact": 75.39518900343643,
    "HasAns_f1": 81.35415385147485,
    "NoAns_exact": 82.26010101010101,
}


def test_a_run_is_scored_as_in_training(run_cli: Callable[..., Any], trained_run: Path) -> None:
    done = run_cli("eval", trained_run, "--bootstrap", "0", "--json", "-q")
    assert (done.code, done.err) == (0, "")
    report = json.loads(done.out)
    result = json.loads((trained_run / "run.json").read_text())["result"]
    # One question more or less: the last digit of a logit may decide between two spans.
    assert report["metrics"] == pytest.approx(result["metrics"], abs=100 / 7 + 1e-9)
    assert report["checkpoint"].endswith(result["best_checkpoint"])


def test_people_get_a_table(run_cli: Callable[..., Any], trained_run: Path) -> None:
    out = run_cli("eval", trained_run).out
    for word in ("EM", "F1", "features a second", "almanac-validation"):
        assert word in out


def test_a_file_of_answers_gets_the_golden_figures(
    squad_data: Path, run_cli: Callable[..., Any]
) -> None:
    predictions = squad_data / "preds" / "v2_eval_bert_single.json.gz"
    data = squad_data / "squad_v2_eval.json.gz"
    done = run_cli("eval", "--predictions", predictions, "--data", data, "--json")
    assert (done.code, done.err) == (0, "")
    metrics = json.loads(done.out)
    assert {key: metrics[key] for key in GOLDEN} == GOLDEN
    assert [metrics[key] for key in ("total", "HasAns_total", "NoAns_total")] == [6078, 2910, 3168]


def test_a_file_of_v1_answers_gets_the_golden_figures(
    squad_data: Path, run_cli: Callable[..., Any]
) -> None:
    predictions = squad_data / "preds" / "v1_eval_bert_ensemble.json.gz"
    data = squad_data / "squad_v1_eval.json.gz"
    done = run_cli("eval", "--predictions", predictions, "--data", data, "--json")
    figures = json.loads(done.out)
    assert list(figures.pop("ci95")) == list(figures)
    assert figures == {"exact_match": 86.3529411764706, "f1": 92.75741282354063}


@pytest.fixture
def answered(tmp_path: Path) -> list[object]:
    """Two questions, of which one has an answer: the arguments to score them."""
    questions = [
        {"id": key, "question": "Who?", "answers": [{"text": "ant", "answer_start": 4}]}
        for key in ("a", "b")
    ]
    paragraph = {"context": "The ant.", "qas": questions}
    data, answers = tmp_path / "data.json", tmp_path / "answers.json"
    data.write_text(json.dumps({"data": [{"title": "t", "paragraphs": [paragraph]}]}))
    answers.write_text(json.dumps({"a": "the ant"}))
    return ["--predictions", answers, "--data", data]


def test_questions_without_a_prediction_are_counted_aloud(
    answered: list[object], run_cli: Callable[..., Any]
) -> None:
    done = run_cli("eval", *answered, "--bootstrap", "0", "--json")
    assert done.err == "qarank: 1 questions have no prediction\n"
    assert json.loads(done.out) == {"exact_match": 50.0, "f1": 50.0}


def test_no_answer_scores_and_their_threshold_count(
    answered: list[object], run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    odds = tmp_path / "odds.json"
    odds.write_text(json.dumps({"a": 0.9, "b": 0.1}))
    scored = run_cli("eval", *answered, "--na-prob", odds, "--na-prob-thresh", "0.5", "--json")
    assert json.loads(scored.out)["exact"] == 0.0
    assert "best_exact" in json.loads(scored.out)


def test_figures_of_a_file_are_a_table_for_people(
    answered: list[object], run_cli: Callable[..., Any]
) -> None:
    assert "exact_match" in run_cli("eval", *answered).out


def test_intervals_stand_beside_the_figures(
    answered: list[object], run_cli: Callable[..., Any]
) -> None:
    done = run_cli("eval", *answered, "--bootstrap", "50")
    assert "95 % interval" in done.out
    assert "0.00 .. 100.00" in done.out
    assert "95 %" not in run_cli("eval", *answered, "--bootstrap", "0").out


def test_two_files_are_compared(
    answered: list[object], run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"a": "bee", "b": "ant"}))
    done = run_cli("eval", *answered, "--against", other, "--json", "-q")
    found = json.loads(done.out)["against"]
    assert (found["questions"], found["exact_match"]["difference"]) == (2, 0.0)
    shown = run_cli("eval", *answered, "--against", other, "-q").out
    for word in ("other.json", "difference", "paired randomisation test"):
        assert word in shown


def test_a_run_is_compared_with_itself(run_cli: Callable[..., Any], trained_run: Path) -> None:
    out = run_cli("eval", trained_run, "--against", trained_run, "-q").out
    assert "24 questions that both answer" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--compat", "run_qa"], "--compat goes with a RUN only"),
        (["--bootstrap", "-3"], "--bootstrap is -3; allowed are 1 and more, or 0: off"),
        (["--bootstrap", "0", "--against", "x"], "--bootstrap must be 1 or more"),
        (["--against", "nothing.json"], "nothing.json does not exist"),
        (["--na-prob-thresh", "0.5"], "--na-prob-thresh needs --na-prob"),
    ],
)
def test_options_that_do_not_go_together_are_told(
    answered: list[object], run_cli: Callable[..., Any], words: list[str], message: str
) -> None:
    done = run_cli("eval", *answered, *words)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1


def test_run_qas_way_is_a_flag(run_cli: Callable[..., Any], trained_run: Path) -> None:
    done = run_cli("eval", trained_run, "--compat", "run_qa", "--json", "-q")
    assert (done.code, json.loads(done.out)["data"]) == (0, "almanac-validation-run_qa")


def test_an_adapter_is_scored_cut_to_each_budget(
    run_cli: Callable[..., Any], trained_run: Path
) -> None:
    done = run_cli("eval", trained_run, "--budgets", "24,3, 12", "--json", "-q")
    assert (done.code, done.err) == (0, "")
    rows = json.loads(done.out)["budgets"]
    assert [row["budget"] for row in rows] == [24, 12, 3]
    assert [sum(row["ranks"].values()) for row in rows] == [24, 12, 3]
    whole = run_cli("eval", trained_run, "--bootstrap", "0", "--json", "-q")
    assert rows[0]["metrics"] == json.loads(whole.out)["metrics"]
    out = run_cli("eval", trained_run, "--budgets", "3", "-q").out
    for word in ("rank in all", "of ||Delta W||^2", "100.0 %", "F1", "nothing was trained anew"):
        assert word in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["3,x"], "--budgets is 3,x; it must be whole numbers, as 72,144,288"),
        (["-3"], "--budgets is -3; it must be whole numbers"),
        (["25"], "--budgets names 25; "),
        (["3", "--output", "o"], "--output goes with one evaluation, without --budgets, only"),
        (["3", "--against", "o"], "--against goes with one evaluation, without --budgets, only"),
    ],
)
def test_budgets_that_cannot_be_are_one_line(
    words: list[str], message: str, run_cli: Callable[..., Any], trained_run: Path
) -> None:
    done = run_cli("eval", trained_run, "--budgets", *words)
    assert (done.code, done.out) == (2, "")
    assert message in done.err and done.err.count("\n") == 1
