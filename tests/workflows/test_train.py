"""Whole runs of the tiny model, one for each way to train."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.artifacts.run_dir import RunDir
from qarank.config.load import load_recipe
from qarank.config.schema import Recipe
from qarank.errors import NonFiniteError, RecipeError, RunDirError, ScheduleError
from qarank.workflows.train import TrainOptions, run_path, train_recipe

NO_ALLOCATOR = {"type": "none"}
QUIET = TrainOptions(show_progress=False)


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rates(precision: str) -> dict[str, Any]:
    return {"max_steps": 12, "batch_size": 8, "learning_rate": 0.01, "precision": precision}


def test_a_run_ends_with_the_budget_kept_and_its_files_in_place(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    recipe = tiny_recipe()
    run = train_recipe(recipe, QUIET)
    folder = run_path(recipe)
    assert run["state"] == "finished"
    assert sum(run["result"]["ranks"].values()) == 2 * 12
    assert json.loads((folder / "run.json").read_text()) == run
    for name in ("recipe.yaml", "metrics.jsonl", "ranks.jsonl", "checkpoints/step_000012"):
        assert (folder / name).exists(), name


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("allocated", [True, False])
@pytest.mark.parametrize("adapter", ["svd", "frd"])
def test_lora_and_adalora_train_with_and_without_an_allocator(
    adapter: str, allocated: bool, precision: str, train_tiny: Callable[..., Any]
) -> None:
    sections = {} if allocated else {"allocator": NO_ALLOCATOR}
    finished = train_tiny(adapter={"type": adapter, "r": 4}, train=rates(precision), **sections)
    result = finished.run["result"]
    assert sum(result["ranks"].values()) == (24 if allocated else 48)
    assert result["num_rounds"] == (3 if allocated else 0)
    assert (finished.folder / "ranks.jsonl").exists() == allocated
    assert finished.run["precision"] == precision
    lines = read_lines(finished.folder / "metrics.jsonl")
    penalties = [line["train/orth_regu_loss"] for line in lines if "train/loss" in line]
    assert all((penalty > 0) == (adapter == "svd") for penalty in penalties)


@pytest.mark.parametrize("metric", ["iptAB,sumAB", "magAB,prodAB"])
def test_doublets_are_scored_by_two_tokens(metric: str, train_tiny: Callable[..., Any]) -> None:
    allocator = {"type": "adalora", "target_r": 2, "tinit": 2, "tfinal": 4, "delta_t": 2}
    finished = train_tiny(
        adapter={"type": "frd", "r": 4}, allocator={**allocator, "metric": metric}
    )
    assert sum(finished.run["result"]["ranks"].values()) == 24


def test_a_metric_with_an_e_token_is_refused_for_doublets(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    allocator = {"type": "adalora", "target_r": 2, "metric": "iptAB,iptE,sumAB,sumE"}
    with pytest.raises(RecipeError, match="with adapter.type frd it must be 2 tokens"):
        tiny_recipe(adapter={"type": "frd", "r": 4}, allocator=allocator)


@pytest.mark.parametrize(("full", "trained"), [(False, 66), (True, 42_594)])
def test_without_adapters_the_head_or_the_whole_model_trains(
    full: bool, trained: int, train_tiny: Callable[..., Any]
) -> None:
    finished = train_tiny(adapter={"type": "none", "full": full}, allocator=NO_ALLOCATOR)
    assert finished.run["plan"]["trained_parameters"] == trained
    assert finished.run["result"]["ranks"] == {}
    assert (finished.last_checkpoint / "model.safetensors").is_file()


def test_every_round_keeps_exactly_its_budget_and_is_a_whole_line(pruned_run: Any) -> None:
    lines = read_lines(pruned_run.folder / "ranks.jsonl")
    assert [line["global_step"] for line in lines] == [4, 6, 8]
    assert [line["budget"] for line in lines] == [int(8 + 40 * (1 - 2 / 6) ** 3), 9, 8]
    for line in lines:
        keys = {"global_step", "budget", "threshold", "margin", "ranks", "revived", "mask_hash"}
        assert set(line) == keys
        assert sum(line["ranks"].values()) == line["budget"]
        assert set(line["ranks"]) == set(pruned_run.run["plan"]["matrices"])
    assert lines[-1]["ranks"] == pruned_run.run["result"]["ranks"]
    assert sum(line["revived"] for line in lines) == pruned_run.run["result"]["num_revived"]


def test_metrics_are_lines_of_training_and_of_evaluation(pruned_run: Any) -> None:
    lines = read_lines(pruned_run.folder / "metrics.jsonl")
    assert [line["global_step"] for line in lines] == [4, 4, 8, 8, 12, 12]
    assert {key for key in lines[0] if not key.startswith("time/")} == {
        "global_step",
        "train/loss",
        "train/orth_regu_loss",
        "train/grad_norm",
        "train/learning_rate",
        "train/features_per_s",
        "train/step_s",
        "train/skipped_steps",
    }
    assert {"eval/exact", "eval/f1", "eval/HasAns_f1", "eval/NoAns_exact"} <= set(lines[1])
    last = {key.removeprefix("eval/"): value for key, value in lines[-1].items() if "eval" in key}
    assert last == pruned_run.run["result"]["last_metrics"]


def test_tensorboard_has_the_originals_tags(
    pruned_run: Any, read_events: Callable[[Path], dict[str, dict[int, float]]]
) -> None:
    events = read_events(pruned_run.folder / "tensorboard")
    assert events["Budget/total_rank"] == {4: 19.0, 6: 9.0, 8: 8.0}
    for path, rank in pruned_run.run["result"]["ranks"].items():
        assert events[f"Ranknum/{path}"][8] == rank
    for tag in ("Budget/sum_param", "Budget/mask_threshold", "train/orth_regu_loss", "eval/f1"):
        assert tag in events


def test_run_json_says_what_was_found(pruned_run: Any) -> None:
    run = json.loads((pruned_run.folder / "run.json").read_text())
    assert run == pruned_run.run
    assert {"versions", "hardware", "data", "plan", "result", "precision", "seed"} <= set(run)
    assert run["plan"]["schedule"]["total_steps"] == 12
    assert run["result"]["reload_difference"] < 1e-4


def test_the_recipe_in_the_folder_is_the_one_asked_for(pruned_run: Any) -> None:
    assert load_recipe(pruned_run.folder / "recipe.yaml") == pruned_run.recipe


def test_the_best_checkpoint_is_one_of_the_final_budget(pruned_run: Any) -> None:
    kept = sorted(path.name for path in (pruned_run.folder / "checkpoints").iterdir())
    assert pruned_run.run["result"]["best_checkpoint"] in {"step_000008", "step_000012"}
    assert "step_000004" not in kept  # evaluated, at a budget of 19
    assert (pruned_run.folder / "eval" / "step_000004").is_dir()


def test_the_same_recipe_gives_the_same_run(train_tiny: Callable[..., Any]) -> None:
    def outcome() -> tuple[str, list[float], bytes]:
        finished = train_tiny()
        lines = read_lines(finished.folder / "metrics.jsonl")
        losses = [line["train/loss"] for line in lines if "train/loss" in line]
        weights = finished.last_checkpoint / "adapter_model.safetensors"
        return (finished.folder / "ranks.jsonl").read_text(), losses, weights.read_bytes()

    assert outcome() == outcome()


def test_micro_batches_do_not_change_the_training(
    tiny_model_dir: Path, train_tiny: Callable[..., Any]
) -> None:
    def losses(**more: Any) -> list[float]:
        finished = train_tiny(
            model={"name_or_path": str(tiny_model_dir), "dropout": 0.0},
            train={**rates("fp32"), "max_steps": 4, "log_every": 1, **more},
            allocator=NO_ALLOCATOR,
        )
        lines = read_lines(finished.folder / "metrics.jsonl")
        return [line["train/loss"] for line in lines if "train/loss" in line]

    assert losses(micro_batch_size=3) == pytest.approx(losses(), rel=1e-4)


def test_a_finished_run_is_kept(train_tiny: Callable[..., Any]) -> None:
    finished = train_tiny()
    before = (finished.folder / "run.json").read_text()
    with pytest.raises(RunDirError, match="holds a finished run; --overwrite replaces it"):
        train_recipe(finished.recipe, QUIET)
    assert (finished.folder / "run.json").read_text() == before


def test_overwriting_leaves_nothing_of_the_run_before(train_tiny: Callable[..., Any]) -> None:
    train_tiny(eval={"every": 4})
    again = train_tiny(adapter={"type": "frd", "r": 2}, allocator=NO_ALLOCATOR)
    assert not (again.folder / "ranks.jsonl").exists()
    assert [path.name for path in (again.folder / "eval").iterdir()] == ["step_000012"]


def test_a_run_that_is_being_written_is_left_alone(
    train_tiny: Callable[..., Any],
) -> None:
    finished = train_tiny()
    with (
        RunDir(finished.folder).lock(),
        pytest.raises(RunDirError, match="has been writing here since"),
    ):
        train_recipe(finished.recipe, TrainOptions(overwrite=True, show_progress=False))
    assert json.loads((finished.folder / "run.json").read_text()) == finished.run
    assert finished.last_checkpoint.is_dir()


@pytest.mark.parametrize(
    ("sections", "error"),
    [
        ({"allocator": {"type": "adalora", "target_r": 2, "tinit": 9, "tfinal": 9}}, ScheduleError),
        ({"train": {"max_steps": 2, "precision": "fp16"}, "allocator": NO_ALLOCATOR}, RecipeError),
    ],
)
def test_a_run_that_cannot_be_writes_nothing(
    sections: dict[str, Any], error: type[Exception], tiny_recipe: Callable[..., Recipe]
) -> None:
    recipe = tiny_recipe(**sections)
    with pytest.raises(error):
        train_recipe(recipe, QUIET)
    assert not run_path(recipe).exists()


def test_a_run_that_could_not_go_on_says_why(
    tiny_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise NonFiniteError("step 3: the loss is nan; training stopped")

    monkeypatch.setattr("qarank.engine.loop.Trainer.train_step", fail)
    recipe = tiny_recipe()
    with pytest.raises(NonFiniteError):
        train_recipe(recipe, QUIET)
    run = RunDir(run_path(recipe)).read_run()
    assert run["state"] == "failed"
    assert run["reason"] == "NonFiniteError: step 3: the loss is nan; training stopped"
    with pytest.raises(RunDirError, match="holds an unfinished run"):
        train_recipe(recipe, QUIET)


def test_gradient_checkpointing_does_not_change_the_training(
    tiny_model_dir: Path, train_tiny: Callable[..., Any]
) -> None:
    def losses(**more: Any) -> list[float]:
        finished = train_tiny(
            model={"name_or_path": str(tiny_model_dir), "dropout": 0.0},
            train={**rates("fp32"), "max_steps": 3, "log_every": 1, **more},
            allocator=NO_ALLOCATOR,
        )
        lines = read_lines(finished.folder / "metrics.jsonl")
        return [line["train/loss"] for line in lines if "train/loss" in line]

    assert losses(gradient_checkpointing=True) == pytest.approx(losses(), rel=1e-6)
