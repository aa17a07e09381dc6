"""Runs of the tiny model that are stopped, fail, and go on."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.artifacts.run_dir import RunDir
from qarank.config.load import load_recipe
from qarank.config.schema import Recipe
from qarank.errors import NonFiniteError, RunDirError, RunError, StoppedError
from qarank.workflows.evaluator import Evaluator
from qarank.workflows.session import TrainingSession
from qarank.workflows.train import TrainOptions, run_path, train_recipe

RESUME = TrainOptions(resume=True, show_progress=False, resume_command="qarank train X --resume")
ANEW = TrainOptions(show_progress=False, resume_command="qarank train X --resume")
TRAIN = {
    "max_steps": 12,
    "batch_size": 8,
    "micro_batch_size": 4,
    "learning_rate": 0.05,
    "precision": "fp32",
    "log_every": 4,
    "save_every": 4,
}
Do = Callable[[], Any]


@pytest.fixture
def recipe(tiny_recipe: Callable[..., Recipe]) -> Recipe:
    """Three rounds, evaluations after 6 and 12 steps, checkpoints every 4; the base's dropout."""
    return tiny_recipe(train=TRAIN, eval={"every": 6}, adapter={"type": "svd", "r": 4, "alpha": 64})


def fail(error: Exception) -> Do:
    def act() -> None:
        raise error

    return act


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def outcome(recipe: Recipe) -> dict[str, Any]:
    """What must not depend on whether a run was stopped."""
    folder = run_path(recipe)
    last = folder / "checkpoints" / "step_000012"
    texts = [folder / "ranks.jsonl", *sorted((folder / "eval").rglob("*.json"))]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    timed = ("time/", "train/step_s", "train/features_per_s")
    return {
        "tensors": (last / "state" / "tensors.safetensors").read_bytes(),
        "adapter": (last / "adapter_model.safetensors").read_bytes(),
        "checkpoints": [path.name for path in RunDir(folder).checkpoints()],
        "texts": {str(path.relative_to(folder)): path.read_text() for path in texts},
        "metrics": [
            {key: line[key] for key in line if not key.startswith(timed)} for line in lines
        ],
    }


_shared: list[dict[str, Any]] = []


@pytest.fixture
def never_stopped(recipe: Recipe, tmp_path: Path) -> dict[str, Any]:
    """The outcome of the recipe run without a stop. Made once."""
    if not _shared:
        alone = recipe.model_copy(update={"runs_dir": str(tmp_path / "never_stopped")})
        train_recipe(alone, ANEW)
        _shared.append(outcome(alone))
    return _shared[0]


def test_resuming_a_finished_run_returns_it_and_changes_nothing(own_run: Any) -> None:
    where = {"runs_dir": str(own_run.folder.parent), "name": own_run.folder.name}
    before = snapshot(own_run.folder)
    assert train_recipe(own_run.recipe.model_copy(update=where), RESUME) == own_run.run
    assert snapshot(own_run.folder) == before


def test_resuming_where_nothing_is_begins(recipe: Recipe, never_stopped: Any) -> None:
    run = train_recipe(recipe, RESUME)
    assert run["state"] == "finished" and "resumed" not in run
    assert outcome(recipe) == never_stopped


@pytest.mark.parametrize("step", [3, 10], ids=lambda step: f"in_step_{step}")
def test_a_run_stopped_by_a_signal_goes_on_as_if_it_never_had_been(
    step: int, recipe: Recipe, at_step: Callable[[int, Do], None], never_stopped: Any
) -> None:
    at_step(step, terminate)
    with pytest.raises(StoppedError, match=rf"^stopped by SIGTERM after step {step} of 12") as left:
        train_recipe(recipe, ANEW)
    assert left.value.exit_code == 128 + signal.SIGTERM
    assert left.value.hint == "go on with qarank train X --resume"
    stopped = RunDir(run_path(recipe)).read_run()
    assert (stopped["state"], stopped["reason"]) == ("stopped", f"StoppedError: {left.value}")
    run = train_recipe(recipe, RESUME)
    assert [entry["from"] for entry in run["resumed"]] == [f"step_{step:06d}"]
    assert outcome(recipe) == never_stopped


def test_an_evaluation_that_was_given_up_is_done_on_resuming(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch, never_stopped: Any
) -> None:
    note, todo = Evaluator._note, [terminate]

    def stop(self: Evaluator, bar: Any, count: int) -> None:
        if todo:
            todo.pop()()
        note(self, bar, count)

    monkeypatch.setattr(Evaluator, "_note", stop)
    with pytest.raises(StoppedError, match="after step 6 of 12"):
        train_recipe(recipe, ANEW)
    assert not list(run_path(recipe).glob("eval/*"))
    train_recipe(recipe, RESUME)
    assert outcome(recipe) == never_stopped


def test_a_resumed_run_says_where_it_began_and_where_it_went_on(
    recipe: Recipe, at_step: Callable[[int, Do], None]
) -> None:
    for step in (3, 7):
        at_step(step, terminate)
        with pytest.raises(StoppedError):
            train_recipe(recipe, RESUME)
    run_dir = RunDir(run_path(recipe))
    first = {**run_dir.read_run(), "started": "long ago", "versions": {"torch": "old"}}
    run_dir.write_run(first)
    run = train_recipe(recipe, RESUME)
    for key in ("started", "versions", "hardware", "data", "plan", "name", "seed"):
        assert run[key] == first[key], key
    assert [entry["from"] for entry in run["resumed"]] == ["step_000003", "step_000007"]
    assert not {"reason", "ended"} & set(run)
    assert json.loads(run_dir.run_path.read_text()) == run


def test_an_unfinished_run_without_a_checkpoint_begins_anew(
    recipe: Recipe, at_step: Callable[[int, Do], None], never_stopped: Any
) -> None:
    at_step(3, fail(RunError("the device is gone")))
    with pytest.raises(RunError, match="the device is gone") as caught:
        train_recipe(recipe, ANEW)
    assert caught.value.hint == "", "there is nothing to go on with"
    failed = RunDir(run_path(recipe)).read_run()
    assert (failed["state"], failed["reason"]) == ("failed", "RunError: the device is gone")
    run = train_recipe(recipe, RESUME)
    assert run["state"] == "finished"
    assert not {"resumed", "reason", "ended"} & set(run)
    assert outcome(recipe) == never_stopped


def test_a_run_that_failed_after_a_checkpoint_goes_on_after_it(
    recipe: Recipe, at_step: Callable[[int, Do], None], never_stopped: Any
) -> None:
    at_step(7, fail(RunError("the device is gone")))
    with pytest.raises(RunError) as caught:
        train_recipe(recipe, ANEW)
    assert caught.value.hint == "go on with qarank train X --resume"
    run = train_recipe(recipe, RESUME)
    assert run["resumed"][0]["from"] == "step_000004"
    assert outcome(recipe) == never_stopped


def test_a_loss_that_is_not_finite_leaves_the_step_before_it_to_go_on_from(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch, never_stopped: Any
) -> None:
    from qarank.workflows import build

    sum_losses = build.sum_span_losses
    calls: list[int] = []

    def spoil(model: Any, batch: Any) -> Any:
        calls.append(1)  # two micro-batches a step
        return sum_losses(model, batch) * (float("nan") if len(calls) == 14 else 1.0)

    monkeypatch.setattr(TrainingSession, "estimate", lambda _: {})
    monkeypatch.setattr(build, "sum_span_losses", spoil)
    with pytest.raises(NonFiniteError, match=r"^step 7: the loss is nan; .* of its batch: "):
        train_recipe(recipe, ANEW)
    names = [path.name for path in RunDir(run_path(recipe)).checkpoints()]
    assert names == ["step_000004", "step_000006"]
    train_recipe(recipe, RESUME)
    assert outcome(recipe) == never_stopped


def test_torchruns_restart_goes_on_even_where_the_run_was_to_replace_another(
    recipe: Recipe, at_step: Callable[[int, Do], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_step(7, terminate)
    with pytest.raises(StoppedError):
        train_recipe(recipe, ANEW)
    launched = {"WORLD_SIZE": 1, "RANK": 0, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}
    for name, value in {**launched, "TORCHELASTIC_RESTART_COUNT": 1}.items():
        monkeypatch.setenv(name, str(value))
    run = train_recipe(recipe, TrainOptions(overwrite=True, show_progress=False))
    assert [entry["from"] for entry in run["resumed"]] == ["step_000007"]


def test_another_recipe_does_not_go_on_with_a_run(
    recipe: Recipe, at_step: Callable[[int, Do], None]
) -> None:
    at_step(5, terminate)
    with pytest.raises(StoppedError):
        train_recipe(recipe, ANEW)
    before = snapshot(run_path(recipe))
    longer = recipe.train.model_copy(update={"max_steps": 20})
    with pytest.raises(RunDirError, match="train.max_steps is 12 there, 20 here"):
        train_recipe(recipe.model_copy(update={"train": longer}), RESUME)
    assert snapshot(run_path(recipe)) == before


def test_run_json_says_what_the_run_was_estimated_to_take(pruned_run: Any) -> None:
    estimate = pruned_run.run["estimate"]
    assert estimate["num_evaluations"] == 3
    assert estimate["train_s"] == pytest.approx(12 * estimate["step_s"])
    assert min(estimate[key] for key in ("step_s", "peak_bytes", "disk_bytes")) > 0


def test_a_run_may_go_on_in_smaller_bites_and_with_other_checkpoints_kept(
    recipe: Recipe, at_step: Callable[[int, Do], None], caplog: pytest.LogCaptureFixture
) -> None:
    """As the advice for a full memory, or a full disk, says."""
    at_step(5, terminate)
    with pytest.raises(StoppedError):
        train_recipe(recipe, ANEW)
    train = recipe.train.model_copy(update={"micro_batch_size": 2, "keep_checkpoints": 1})
    smaller = recipe.model_copy(update={"train": train})
    with caplog.at_level("WARNING", "qarank"):
        run = train_recipe(smaller, RESUME)
    assert run["state"] == "finished"
    assert "train.micro_batch_size is 4 there, 2 here: roundings may differ" in caplog.text
    assert load_recipe(run_path(recipe) / "recipe.yaml").train.micro_batch_size == 2
    with pytest.raises(RunDirError, match="another recipe: train.batch_size is 8 there, 4 here"):
        batch = recipe.train.model_copy(update={"batch_size": 4})
        train_recipe(recipe.model_copy(update={"train": batch}), RESUME)
