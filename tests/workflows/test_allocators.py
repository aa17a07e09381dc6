"""Each allocator through a whole tiny run, stopped and resumed too."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.config.schema import Recipe
from qarank.errors import CheckpointError, StoppedError
from qarank.workflows.inspect_ranks import report_ranks
from qarank.workflows.train import TrainOptions, run_path, train_recipe

ANEW = TrainOptions(show_progress=False)
RESUME = TrainOptions(resume=True, show_progress=False)
PHASES = {"tinit": 2, "tfinal": 4, "delta_t": 2}  # rounds after steps 4, 6 and 8 of 12
SVD = {"type": "svd", "r": 4, "alpha": 64}
FRD = {"type": "frd", "r": 4, "alpha": 64}
TRAIN = {"max_steps": 12, "batch_size": 8, "learning_rate": 0.05, "precision": "fp32"}
PARAMETERS = {"budget_unit": "parameters", "target_total": 900}  # of 3328, a triplet has 64 or 80
CASES = {
    "norm": (SVD, {"type": "norm", "target_total": 8}),
    "norm_frd": (FRD, {"type": "norm", "target_total": 8}),
    "random": (SVD, {"type": "random", "target_total": 8}),
    "parameters": (SVD, {"type": "adalora", **PARAMETERS}),
    "random_parameters": (FRD, {"type": "random", **PARAMETERS}),
    "limits": (SVD, {"type": "adalora", "target_r": 2, "min_rank": 1, "max_rank": 3}),
}
Arrange = Callable[[int, Callable[[], Any]], None]


@pytest.fixture
def make(tiny_recipe: Callable[..., Recipe], pruned_run: Any) -> Callable[[str], Recipe]:
    """The recipe of a case; `file` takes another run's ranks, `none` is SVD-LoRA."""

    def build(case: str, *, name: str = "mine") -> Recipe:
        adapter, allocator = CASES.get(case, (SVD, {}))
        keys = {**allocator, **PHASES}
        if case == "file":
            keys = {"type": "file", "pattern": str(pruned_run.folder)}
        if case == "none":
            keys = {"type": "none"}
        return tiny_recipe(name=name, adapter=adapter, allocator=keys, train=TRAIN)

    return build


def rounds_of(recipe: Recipe) -> list[dict[str, Any]]:
    path = run_path(recipe) / "ranks.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def cost_of(run: dict[str, Any], ranks: dict[str, int]) -> int:
    return sum(rank * sum(run["plan"]["matrices"][path]) for path, rank in ranks.items())


@pytest.mark.parametrize("case", CASES)
def test_a_run_keeps_its_budget_at_every_round_and_to_the_end(
    case: str, make: Callable[..., Recipe]
) -> None:
    recipe = make(case)
    run = train_recipe(recipe, ANEW)
    rounds, ranks = rounds_of(recipe), run["result"]["ranks"]
    assert [told["global_step"] for told in rounds] == [4, 6, 8]
    assert rounds[-1]["ranks"] == ranks and run["result"]["num_rounds"] == 3
    in_parameters = recipe.allocator.budget_unit == "parameters"
    for told in rounds:
        kept = told["ranks"].values()
        if in_parameters:
            left = told["budget"] - cost_of(run, told["ranks"])
            assert 0 <= left < 80
        else:
            assert sum(kept) == told["budget"]
        assert min(kept) >= recipe.allocator.min_rank
        assert max(kept) <= (recipe.allocator.max_rank or 4)
    assert run["plan"]["schedule"]["start_budget"] == (3328 if in_parameters else 48)
    assert len(set(ranks.values())) > 1
    found = report_ranks(run_path(recipe))
    assert {matrix.path: matrix.rank for matrix in found.matrices} == ranks


def test_ranks_of_another_run_are_trained_from_scratch(
    make: Callable[..., Recipe], pruned_run: Any
) -> None:
    recipe = make("file")
    run = train_recipe(recipe, ANEW)
    ranks = report_ranks(pruned_run.folder)
    expected = {matrix.path: matrix.rank for matrix in ranks.matrices}
    (told,) = rounds_of(recipe)
    assert told["ranks"] == run["result"]["ranks"] == run["plan"]["pattern"] == expected
    assert (told["global_step"], told["budget"], told["threshold"]) == (0, 8, None)
    assert run["plan"]["schedule"] is None and run["result"]["num_rounds"] == 1
    assert 0 in expected.values() and run["result"]["metrics"]["f1"] >= 0


def outcome(recipe: Recipe) -> dict[str, Any]:
    """What must not depend on whether a run was stopped."""
    last = run_path(recipe) / "checkpoints" / "step_000012"
    return {
        "state": (last / "state" / "tensors.safetensors").read_bytes(),
        "adapter": (last / "adapter_model.safetensors").read_bytes(),
        "ranks": rounds_of(recipe),
    }


@pytest.mark.parametrize(
    ("case", "step"),
    [
        *(("norm", 5), ("random", 6), ("random_parameters", 9)),
        *(("file", 1), ("file", 7), ("none", 7)),
    ],
)
def test_stopped_and_resumed_is_never_stopped(
    case: str, step: int, make: Callable[..., Recipe], at_step: Arrange
) -> None:
    recipe, whole = make(case), make(case, name="never_stopped")
    train_recipe(whole, ANEW)
    at_step(step, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(StoppedError, match=f"after step {step} of 12"):
        train_recipe(recipe, ANEW)
    train_recipe(recipe, RESUME)
    assert outcome(recipe) == outcome(whole)


def test_a_pattern_that_changed_meanwhile_is_not_gone_on_with(
    tiny_recipe: Callable[..., Recipe], pruned_run: Any, at_step: Arrange, tmp_path: Path
) -> None:
    path = tmp_path / "ranks.json"
    ranks = pruned_run.run["result"]["ranks"]
    path.write_text(json.dumps(ranks))
    recipe = tiny_recipe(adapter=SVD, allocator={"type": "file", "pattern": str(path)}, train=TRAIN)
    at_step(3, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(StoppedError):
        train_recipe(recipe, ANEW)
    path.write_text(json.dumps(dict.fromkeys(ranks, 1)))
    with pytest.raises(CheckpointError) as caught:
        train_recipe(recipe, RESUME)
    line = str(caught.value)
    assert "was made with other ranks: those of allocator.pattern" in line
    assert str(path) in line and len(line) < 400


def test_a_run_goes_on_though_the_run_it_took_its_ranks_from_was_moved(
    tiny_recipe: Callable[..., Recipe],
    own_run: Any,
    at_step: Arrange,
    caplog: pytest.LogCaptureFixture,
) -> None:
    keys = {"type": "file", "pattern": str(own_run.folder)}
    recipe, whole = (
        tiny_recipe(name=name, adapter=SVD, allocator=keys, train=TRAIN)
        for name in ("mine", "never_stopped")
    )
    train_recipe(whole, ANEW)
    at_step(7, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(StoppedError):
        train_recipe(recipe, ANEW)
    own_run.folder.rename(own_run.folder.with_name("moved"))
    with pytest.raises(CheckpointError, match="there is no such folder or file"):
        train_recipe(recipe, TrainOptions(overwrite=True, show_progress=False))
    train_recipe(recipe, RESUME)
    assert f"{own_run.folder} is no longer there: going on at the ranks noted" in caplog.text
    assert outcome(recipe) == outcome(whole)
