import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.errors import DataError
from qarank.workflows.compare import Certainty
from qarank.workflows.evaluate import evaluate_run

LABEL = "almanac-validation"


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def evaluate(path: Path, **options: Any) -> dict[str, Any]:
    return evaluate_run(
        path, **({"data": None, "precision": None, "show_progress": False} | options)
    )


def test_a_run_scores_as_it_did_in_training(own_run: Any) -> None:
    step = own_run.run["result"]["best_checkpoint"]
    folder = own_run.folder / "eval" / step / LABEL
    in_training = {path.name: json.loads(path.read_text()) for path in folder.iterdir()}
    assert in_training["metrics.json"] == own_run.run["result"]["metrics"]
    report = evaluate(own_run.folder)
    before = in_training["null_odds.json"]
    assert read(folder / "null_odds.json") == pytest.approx(before, abs=1e-4)
    answers, then = read(folder / "predictions.json"), in_training["predictions.json"]
    changed = [key for key in answers if answers[key] != then[key]]
    assert changed == [key for key in changed if is_close_call(in_training, key)]
    if not changed:  # a best threshold is a difference of logits, as null_odds are
        now, then = report["metrics"], in_training["metrics.json"]
        thresholds = {key for key in then if key.endswith("_thresh")}
        assert thresholds and {key: now[key] for key in thresholds} == pytest.approx(
            {key: then[key] for key in thresholds}, abs=1e-4
        )
        assert {**now, **{key: then[key] for key in thresholds}} == then


def is_close_call(files: dict[str, Any], key: str) -> bool:
    """Whether the last digit of a logit decides: merging the triplets may change that."""
    scores = [entry["score"] for entry in files["nbest_predictions.json"][key] if entry["text"]]
    is_tie = scores[0] - scores[1] < 1e-4
    return is_tie or abs(files["null_odds.json"][key] - 20.0) < 1e-4  # the recipe's threshold


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


def test_intervals_are_told_and_stored_beside_the_figures(own_run: Any) -> None:
    report = evaluate(own_run.last_checkpoint, wanted=Certainty(resamples=200))
    metrics = report["metrics"]
    assert set(metrics["ci95"]) <= set(metrics)
    for key, (low, high) in metrics["ci95"].items():
        assert low <= metrics[key] <= high
    assert read(Path(report["files"]) / "metrics.json") == metrics
    assert "against" not in report


def test_a_run_is_compared_with_a_file_or_with_another_runs_answers(
    own_run: Any, pruned_run: Any, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(dict.fromkeys(answers_of(own_run), "nonsense")))
    report = evaluate(own_run.folder, wanted=Certainty(resamples=200, against=wrong))
    assert report["against"]["path"] == str(wrong)
    assert report["against"]["exact"]["against"] == 0.0
    assert report["against"]["exact"]["value"] == pytest.approx(report["metrics"]["exact"])
    itself = Certainty(resamples=200, against=pruned_run.folder)
    assert evaluate(own_run.folder, wanted=itself)["against"]["f1"]["p_value"] == 1.0


def answers_of(finished: Any) -> dict[str, Any]:
    return read(next(finished.folder.glob(f"eval/*/{LABEL}/predictions.json")))


def test_a_run_without_answers_to_the_data_cannot_be_compared_with(
    own_run: Any, squad_file: Callable[[str], Path]
) -> None:
    wanted = Certainty(resamples=9, against=own_run.folder)
    with pytest.raises(DataError, match="has no answers to new yet; score it first, by qarank"):
        evaluate(own_run.folder, data=squad_file("new"), wanted=wanted)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compat": "run_squad"}, "--compat is 'run_squad'; allowed is run_qa"),
        ({"wanted": Certainty(resamples=-1)}, "--bootstrap is -1; allowed are 1 and more, or 0"),
        ({"wanted": Certainty(against=Path("b"))}, "--bootstrap must be 1 or more"),
    ],
)
def test_wrong_wishes_are_told_before_anything_is_read(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        evaluate(Path("no such run"), **options)


def test_compat_writes_run_qas_files_beside_ours(own_run: Any) -> None:
    ours = Path(evaluate(own_run.last_checkpoint)["files"])
    before = (ours / "nbest_predictions.json").read_bytes()
    report = evaluate(own_run.last_checkpoint, compat="run_qa")
    files = Path(report["files"])
    assert files == ours.with_name(f"{LABEL}-run_qa")
    assert (ours / "nbest_predictions.json").read_bytes() == before
    for name in ("predictions", "nbest_predictions", "null_odds"):
        text = (files / f"{name}.json").read_text(encoding="utf-8")
        assert text == json.dumps(json.loads(text), indent=4) + "\n"
    nbest = read(files / "nbest_predictions.json")
    first = next(iter(nbest.values()))[0]
    assert list(first) == ["start_logit", "end_logit", "text", "probability"]
    assert report["metrics"]["total"] == 24
    assert not [key for key in report["metrics"] if key.startswith("best_")]


def test_compat_finds_our_answers_where_the_search_has_nothing_to_miss(own_run: Any) -> None:
    """Its candidates are a part of ours; where they hold the best span both agree."""
    ours = read(Path(evaluate(own_run.last_checkpoint)["files"]) / "null_odds.json")
    compat = evaluate(own_run.last_checkpoint, compat="run_qa")
    theirs = read(Path(compat["files"]) / "null_odds.json")
    assert list(theirs) == list(ours)
    assert all(theirs[key] >= ours[key] - 1e-3 for key in ours), "no better span than the best"
    agree = sum(theirs[key] == pytest.approx(ours[key], abs=1e-3) for key in ours)
    assert agree >= 12


def test_precision_may_be_chosen(own_run: Any) -> None:
    metrics = evaluate(own_run.last_checkpoint, precision="bf16")["metrics"]
    assert metrics["total"] == 24


def test_data_given_by_hand_may_have_the_recipes_columns_or_squads(
    train_tiny: Callable[..., Any], tmp_path: Path
) -> None:
    train, usual = tmp_path / "train.csv", tmp_path / "usual.csv"
    train.write_text("id,ask,context,gold\na,Who?,In Ulm.,Ulm\nb,Why?,In Bonn.,\n")
    usual.write_text("id,question,context,answer_text\nc,Who?,In Ulm.,Ulm\n")
    columns = {"question": "ask", "answer_text": "gold"}
    data = {"train": str(train), "columns": columns, "max_seq_length": 64, "doc_stride": 8}
    folder = train_tiny(data=data).folder
    assert [evaluate(folder, data=path)["data"] for path in (train, usual)] == ["train", "usual"]
