from typing import Any

import numpy as np
import pytest

from qarank.artifacts.run_dir import RunDir
from qarank.config.sweep_points import SweepPoint
from qarank.workflows.sweep_scores import read_scores


def test_scores_of_each_question_make_up_the_runs_figures(pruned_run: Any) -> None:
    scores = read_scores([SweepPoint("tiny", pruned_run.recipe, group="tiny")])
    metrics = pruned_run.run["result"]["metrics"]
    exact, f1 = 100 * np.mean(list(scores["tiny"].values()), axis=0)
    assert len(scores["tiny"]) == metrics["total"]
    assert (exact, f1) == pytest.approx((metrics["exact"], metrics["f1"]))


def test_runs_without_evaluation_data_have_no_scores(pruned_run: Any) -> None:
    data = pruned_run.recipe.data.model_copy(update={"source": None, "train": "a.json"})
    recipe = pruned_run.recipe.model_copy(update={"data": data})
    assert read_scores([SweepPoint("tiny", recipe, group="tiny")]) == {}


def test_answers_that_are_gone_are_told_and_left_out(
    own_run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    where = {"name": own_run.folder.name, "runs_dir": str(own_run.folder.parent)}
    recipe = own_run.recipe.model_copy(update=where)
    for path in RunDir(own_run.folder).evals_dir.rglob("predictions.json"):
        path.unlink()
    assert read_scores([SweepPoint("a", recipe, group="a")]) == {}
    (told,) = caplog.messages
    assert told.startswith("a: not compared with others: ") and "predictions.json" in told
