import json
from pathlib import Path
from typing import Any

import pytest

from qarank.errors import DataError
from qarank.workflows.compare import (
    PLAIN,
    Certainty,
    list_comparison,
    list_intervals,
    read_others,
)

GOLD = {"a": ["x"], "b": [], "c": ["y"]}
SCORES = {"a": (1, 1.0), "b": (0, 0.0), "c": (0, 0.5)}


def test_nothing_is_listed_where_nothing_is_wanted() -> None:
    assert list_intervals(SCORES, GOLD, PLAIN, is_v2=True) == {}
    assert read_others(PLAIN, "data") is None
    assert list_comparison(SCORES, GOLD, None, PLAIN, is_v2=True) == {}


def test_intervals_stand_under_ci95() -> None:
    found = list_intervals(SCORES, GOLD, Certainty(resamples=20), is_v2=True)
    assert list(found) == ["ci95"]
    assert {"exact", "f1", "NoAns_exact"} <= set(found["ci95"])


def test_a_comparison_names_the_other(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"a": "z", "b": ""}))
    wanted = Certainty(resamples=20, against=other)
    others = read_others(wanted, "data")
    found = list_comparison(SCORES, GOLD, others, wanted, is_v2=True)["against"]
    assert (found["path"], found["questions"]) == (str(other), 2)
    assert (found["exact"]["value"], found["exact"]["against"]) == (50.0, 50.0)


def test_a_runs_answers_are_those_of_its_best_checkpoint(pruned_run: Any) -> None:
    best = pruned_run.run["result"]["best_checkpoint"]
    path = pruned_run.folder / "eval" / best / "almanac-validation" / "predictions.json"
    wanted = Certainty(resamples=1, against=pruned_run.folder)
    assert read_others(wanted, "almanac-validation") == json.loads(path.read_text())


def test_other_data_and_other_folders_are_refused(pruned_run: Any, tmp_path: Path) -> None:
    wanted = Certainty(resamples=1, against=pruned_run.folder)
    with pytest.raises(DataError, match="has no answers to other yet; score it first"):
        read_others(wanted, "other")
    with pytest.raises(DataError, match="must be an answer file, a run with answers to this"):
        read_others(Certainty(resamples=1, against=tmp_path), "data")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Certainty(resamples=-1), "--bootstrap is -1; allowed are 1 and more, or 0: off"),
        (Certainty(against=Path("x")), "--bootstrap must be 1 or more"),
    ],
)
def test_what_does_not_go_together_is_refused(wanted: Certainty, message: str) -> None:
    with pytest.raises(DataError, match=message):
        wanted.check()
