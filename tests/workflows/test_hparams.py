import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.workflows.hparams import FIGURES, list_hparams, pick_figures
from qarank.workflows.prepare import Prepared

LORA = {"adapter": {"type": "frd", "r": 2}, "allocator": {"type": "none"}}
PARAMETERS = {"type": "random", "target_r": 2, "budget_unit": "parameters"} | {
    "tinit": 2,
    "tfinal": 4,
}
HEAD = {"adapter": {"type": "none"}, "allocator": {"type": "none"}}


@pytest.mark.parametrize(
    ("sections", "kind", "r", "budget"),
    [
        ({}, "svd", 4, 24),
        (LORA, "frd", 2, 24),
        (HEAD, "none", 0, 0),
        ({"allocator": {"type": "norm", "target_r": 3, "tinit": 2, "tfinal": 4}}, "svd", 4, 36),
        ({"allocator": PARAMETERS}, "svd", 4, 2 * 2 * (4 * 64 + 2 * 80)),
    ],
)
def test_settings_are_the_runs_own(
    sections: dict[str, Any],
    kind: str,
    r: int,
    budget: int,
    prepare_tiny: Callable[..., Prepared],
) -> None:
    prepared = prepare_tiny(**sections)
    found = list_hparams(prepared.recipe, prepared.plan)
    assert (found["adapter.type"], found["adapter.r"], found["budget"]) == (kind, r, budget)
    assert (found["seed"], found["steps"], found["learning_rate"]) == (1, 12, 0.01)
    assert found["trained_parameters"] == prepared.plan.trained_parameters
    assert all(isinstance(value, bool | int | float | str) for value in found.values())


def test_the_budget_of_a_given_pattern_is_its_triplets(
    prepare_tiny: Callable[..., Prepared], tmp_path: Path
) -> None:
    path = tmp_path / "ranks.json"
    matrices = list(prepare_tiny().plan.matrices)
    path.write_text(json.dumps({name: number % 3 for number, name in enumerate(matrices)}))
    prepared = prepare_tiny(allocator={"type": "file", "pattern": str(path)})
    assert list_hparams(prepared.recipe, prepared.plan)["budget"] == 12  # 4 times 0 + 1 + 2


def test_runs_of_one_sweep_have_the_same_columns_however_they_train(
    prepare_tiny: Callable[..., Prepared],
) -> None:
    runs = [prepare_tiny(**sections) for sections in ({}, LORA, HEAD)]
    columns = {tuple(list_hparams(run.recipe, run.plan)) for run in runs}
    assert len(columns) == 1


def test_figures_of_v2_stand_under_tags_of_their_own() -> None:
    metrics = {"exact": 50.0, "f1": 60.0, "HasAns_f1": 70, "NoAns_f1": 0.0, "total": 3}
    assert pick_figures(metrics) == {
        "result/exact": 50.0,
        "result/f1": 60.0,
        "result/HasAns_f1": 70.0,
        "result/NoAns_f1": 0.0,
    }


def test_v1s_exact_match_stands_under_exact() -> None:
    found = pick_figures({"exact_match": 80.0, "f1": 90.0})
    assert found == {"result/exact": 80.0, "result/f1": 90.0}
    assert set(found) < set(FIGURES)


def test_a_run_without_evaluation_has_no_figures() -> None:
    assert pick_figures({}) == {}
