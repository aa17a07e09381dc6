from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from qarank.adapters.layer import PlainLoRA
from qarank.errors import AdapterError, DataError
from qarank.workflows.evaluate import evaluate_run
from qarank.workflows.merge import MergeOptions, merge_run
from qarank.workflows.rank_curve import cut_to_budget, score_budgets
from qarank.workflows.saved_model import open_model


def test_the_whole_adapter_scores_as_eval_does_and_less_keeps_less(own_run: Any) -> None:
    whole = evaluate_run(own_run.folder, data=None, precision=None, show_progress=False)
    found = score_budgets(own_run.folder, [2, 5, 0])
    rows = found["budgets"]
    kept = sum(own_run.run["result"]["ranks"].values())
    assert [row["budget"] for row in rows] == [kept, 5, 2, 0]
    assert rows[0]["metrics"] == whole["metrics"]
    assert (found["checkpoint"], found["data"]) == (whole["checkpoint"], whole["data"])
    for row in rows:
        assert sum(row["ranks"].values()) == row["budget"]
    energies = [row["kept_energy"] for row in rows]
    assert energies[0] == 1.0 and energies[-1] == 0.0
    assert energies == sorted(energies, reverse=True)
    assert rows[-1]["parameters"] == 0


def test_every_matrix_has_its_rank_in_the_models_order(own_run: Any) -> None:
    rows = score_budgets(own_run.folder, [0])["budgets"]
    ranks = own_run.run["result"]["ranks"]
    assert 0 in ranks.values() and list(ranks) != sorted(ranks), "or there is nothing to lose"
    assert list(rows[0]["ranks"].items()) == list(ranks.items())
    assert list(rows[1]["ranks"].items()) == [(path, 0) for path in ranks]


def test_of_equal_singular_values_the_earlier_matrixs_stay(train_tiny: Callable[..., Any]) -> None:
    finished = train_tiny(allocator={"type": "none"})
    opened = open_model(finished.folder, precision="fp32")
    for layer in opened.layers.values():
        r, inside, outside = layer.rank, layer.in_features, layer.out_features
        layer.set_update(PlainLoRA(torch.eye(r, inside), torch.eye(outside, r), float(r)))
    first = next(iter(finished.run["result"]["ranks"]))
    assert first != min(opened.layers), "the model's order is not the alphabet's"
    cut_to_budget(opened, 3)
    assert {path: layer.rank for path, layer in opened.layers.items() if layer.rank} == {first: 3}


@torch.no_grad()
def test_a_cut_is_the_nearest_there_is(pruned_run: Any) -> None:
    """The singular values dropped, squared, are the squared distance."""
    opened, cut = (open_model(pruned_run.folder, precision="fp32") for _ in range(2))
    cut_to_budget(cut, 4)
    spectra = [
        torch.linalg.svdvals(each.delta_weight().double()) for each in opened.layers.values()
    ]
    dropped = torch.cat(spectra).sort(descending=True).values[4:]
    distance = sum(
        (layer.delta_weight() - cut.layers[path].delta_weight()).double().square().sum()
        for path, layer in opened.layers.items()
    )
    assert float(distance) == pytest.approx(float(dropped.square().sum()), rel=1e-4)


@pytest.mark.parametrize("to", ["lora", "adalora"])
def test_an_adapter_that_no_run_stands_behind_has_a_curve_too(
    to: str, pruned_run: Any, squad_file: Callable[[str], Path], tmp_path: Path
) -> None:
    merge_run(pruned_run.folder, tmp_path / "out", MergeOptions(to=to))
    found, of_run = (
        score_budgets(path, [3], data=squad_file("mine"))
        for path in (tmp_path / "out", pruned_run.folder)
    )
    assert [row["budget"] for row in found["budgets"]] == [8, 3]
    for row, other in zip(found["budgets"], of_run["budgets"], strict=True):
        assert list(row["ranks"].items()) == list(other["ranks"].items())
        assert row["kept_energy"] == pytest.approx(other["kept_energy"], rel=1e-5)


@pytest.mark.parametrize("budget", [-1, 9, 99])
def test_a_budget_above_what_is_kept_is_refused(budget: int, pruned_run: Any) -> None:
    with pytest.raises(DataError, match=f"--budgets names {budget}; .* keeps 8, so 0..8$"):
        score_budgets(pruned_run.folder, [3, budget])


def test_a_budget_of_all_that_is_kept_is_the_row_of_the_whole_adapter(own_run: Any) -> None:
    asked, without = (score_budgets(own_run.folder, budgets) for budgets in ([8, 3, 8], [3]))
    assert asked == without
    assert [row["budget"] for row in asked["budgets"]] == [8, 3]
    assert asked["budgets"][0]["kept_energy"] == 1.0


def test_a_full_model_has_no_rank_to_cut(tiny_model_dir: Path) -> None:
    with pytest.raises(AdapterError, match="holds no adapter: there is no rank to cut"):
        score_budgets(tiny_model_dir, [1])
