import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.errors import DataError
from qarank.workflows.evaluate import evaluate_run

LABEL = "almanac-validation"


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def evaluate(path: Path, **options: Any) -> dict[str, Any]:
    return evaluate_run(
        path, **({"data": None, "precision": None, "show_progress": False} | options)
    )


def test_a_run_scores_as_it_did_in_training(own_run: Any) -> None:
    step = own_run.run["result"]["checkpoint"]
    folder = own_run.folder / "eval" / step / LABEL
    in_training = {path.name: path.read_text() for path in folder.iterdir()}
    report = evaluate(own_run.last_checkpoint)
    metrics = json.loads(in_training["metrics.json"])
    assert report["metrics"] == metrics == own_run.run["result"]["metrics"]
    assert read(folder / "predictions.json") == json.loads(in_training["predictions.json"])
    before = json.loads(in_training["null_odds.json"])
    assert read(folder / "null_odds.json") == pytest.approx(before, abs=1e-4)


def test_the_threshold_of_the_recipe_was_used(pruned_run: Any) -> None:
    """So that the comparison above is not one of empty answers alone."""
    step = pruned_run.run["result"]["checkpoint"]
    answers = read(pruned_run.folder / "eval" / step / LABEL / "predictions.json")
    assert any(answers.values())


def test_a_run_is_its_best_checkpoint(own_run: Any) -> None:
    report = evaluate(own_run.folder)
    assert Path(report["checkpoint"]).name == own_run.run["result"]["best_checkpoint"]


def test_the_files_have_run_qas_names(own_run: Any) -> None:
    files = Path(evaluate(own_run.last_checkpoint)["files"])
    assert {path.name for path in files.iterdir()} == {
        "predictions.json",
        "nbest_predictions.json",
        "null_odds.json",
        "metrics.json",
    }
    nbest = read(files / "nbest_predictions.json")
    assert len(nbest) == 24
    assert {"text", "probability"} <= set(next(iter(nbest.values()))[0])


def test_another_file_is_scored_under_its_own_name(
    own_run: Any, squad_file: Callable[[str], Path]
) -> None:
    report = evaluate(own_run.last_checkpoint, data=squad_file("other"))
    assert (report["data"], report["metrics"]["total"]) == ("other", 2)
    assert Path(report["files"]).name == "other"


def test_a_run_that_may_say_no_answer_keeps_that_right_on_other_data(
    own_run: Any, squad_file: Callable[[str], Path]
) -> None:
    report = evaluate(own_run.last_checkpoint, data=squad_file("answerable"))
    assert "HasAns_exact" in report["metrics"]


def test_without_evaluation_data_it_says_what_to_give(
    train_tiny: Callable[..., Any], squad_file: Callable[[str], Path]
) -> None:
    train_data = squad_file("train_only")
    data = {"train": str(train_data), "max_seq_length": 64, "doc_stride": 16}
    finished = train_tiny(data=data)
    assert finished.run["result"]["metrics"] == {}
    assert finished.run["result"]["best_checkpoint"] == "step_000012"
    with pytest.raises(DataError, match="names no evaluation data; give --data FILE"):
        evaluate(finished.folder)
    assert evaluate(finished.folder, data=train_data)["metrics"].keys() == {"exact_match", "f1"}


def test_precision_may_be_chosen(own_run: Any) -> None:
    metrics = evaluate(own_run.last_checkpoint, precision="bf16")["metrics"]
    assert metrics["total"] == 24
