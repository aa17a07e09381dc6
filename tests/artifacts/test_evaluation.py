import json
from pathlib import Path
from typing import Any

import pytest

from qarank.artifacts.atomic import render_json
from qarank.artifacts.evaluation import (
    METRICS,
    NBEST,
    NULL_ODDS,
    PREDICTIONS,
    write_evaluation,
    write_run_qa_evaluation,
)

FILES: dict[str, dict[str, Any]] = {
    PREDICTIONS: {"q2": "façade", "q1": ""},
    NBEST: {"q2": [{"text": "façade", "start_logit": 1.5, "end_logit": 2.0, "probability": 1.0}]},
    NULL_ODDS: {"q2": -3.25, "q1": 0.1},
    METRICS: {"exact": 50.0, "f1": 66.66666666666667, "total": 2},
}


def write(folder: Path, null_odds: dict[str, float]) -> dict[str, Any]:
    write_evaluation(
        folder,
        metrics=FILES[METRICS],
        predictions=FILES[PREDICTIONS],
        nbest_json=json.dumps(FILES[NBEST]).encode(),
        null_odds=null_odds,
    )
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in folder.iterdir()}


def test_the_files_have_run_qas_names_and_read_back_in_order(tmp_path: Path) -> None:
    written = write(tmp_path / "eval" / "step_000012" / "validation", FILES[NULL_ODDS])
    assert written == FILES
    assert sorted(written) == [
        "metrics.json",
        "nbest_predictions.json",
        "null_odds.json",
        "predictions.json",
    ]
    assert list(written[PREDICTIONS]) == ["q2", "q1"], "in the order of the data"


def test_null_odds_stand_only_where_no_answer_is_allowed(tmp_path: Path) -> None:
    assert NULL_ODDS not in write(tmp_path, {})


def test_null_odds_of_an_evaluation_before_do_not_stay(tmp_path: Path) -> None:
    write(tmp_path, FILES[NULL_ODDS])
    assert NULL_ODDS not in write(tmp_path, {})


def test_answers_are_written_as_they_are_and_candidates_compact(tmp_path: Path) -> None:
    write(tmp_path, {})
    assert '"q2": "façade"' in (tmp_path / PREDICTIONS).read_text(encoding="utf-8")
    assert (tmp_path / NBEST).read_text(encoding="utf-8").count("\n") == 1


def write_as_run_qa(folder: Path, null_odds: dict[str, float]) -> None:
    write_run_qa_evaluation(
        folder,
        metrics=FILES[METRICS],
        predictions=FILES[PREDICTIONS],
        nbest=FILES[NBEST],
        null_odds=null_odds,
    )


def test_run_qas_files_are_indented_by_four_and_ascii(tmp_path: Path) -> None:
    write_as_run_qa(tmp_path, FILES[NULL_ODDS])
    for name in (PREDICTIONS, NBEST, NULL_ODDS):
        wanted = json.dumps(FILES[name], indent=4) + "\n"
        assert (tmp_path / name).read_bytes() == wanted.encode("ascii")
    assert json.loads((tmp_path / METRICS).read_text()) == FILES[METRICS]


def test_run_qa_writes_null_odds_only_where_no_answer_is_allowed(tmp_path: Path) -> None:
    write_as_run_qa(tmp_path, FILES[NULL_ODDS])
    write_as_run_qa(tmp_path, {})
    assert not (tmp_path / NULL_ODDS).exists()


@pytest.mark.parametrize("answers", [{}, {"q": 'a "b",\n c'}, {"q1": "é", "q2": "", "q3": "{}"}])
def test_answers_are_laid_out_as_json_is(tmp_path: Path, answers: dict[str, str]) -> None:
    write_evaluation(tmp_path, metrics={}, predictions=answers, nbest_json=b"{}", null_odds={})
    assert (tmp_path / PREDICTIONS).read_text(encoding="utf-8") == render_json(answers)
