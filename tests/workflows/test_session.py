import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from qarank.artifacts.run_dir import RunDir
from qarank.config.schema import Recipe
from qarank.errors import StoppedError
from qarank.workflows.checkpointer import Checkpointer
from qarank.workflows.session import TrainingSession
from qarank.workflows.train import TrainOptions, run_path, train_recipe

AtStep = Callable[[int, Callable[[], Any]], None]
Read = Callable[[Path], dict[str, dict[int, float]]]


def test_the_penalty_enters_each_step_once_and_no_evaluation(
    train_tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def count(layers: Any) -> Tensor:
        calls.append(1)
        return torch.stack([layer.lora_A.sum() for layer in layers]).sum() * 0.0

    monkeypatch.setattr("qarank.workflows.adapt.orthogonality_penalty", count)
    monkeypatch.setattr(TrainingSession, "estimate", lambda _: {})  # it rehearses steps
    train = {"max_steps": 12, "batch_size": 8, "micro_batch_size": 2, "learning_rate": 0.01}
    train_tiny(train=train, eval={"every": 2})
    assert len(calls) == 12


def test_the_dropout_of_the_recipe_is_the_runs(train_tiny: Callable[..., Any]) -> None:
    """Without dropout nothing is random after the start: two seeds of it cannot differ."""
    name = train_tiny().recipe.model.name_or_path
    calls: list[float] = []
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, *_: calls.append(module.p) if isinstance(module, nn.Dropout) else None
    )
    try:
        train_tiny(model={"name_or_path": name, "dropout": 0.0})
    finally:
        handle.remove()
    assert set(calls) == {0.0}


def send(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def names(folder: Path) -> list[str]:
    return [path.name for path in RunDir(folder).checkpoints()]


def test_a_stop_asked_for_in_the_last_step_finds_nothing_left_to_stop(
    train_tiny: Callable[..., Any],
    at_step: AtStep,
    squad_file: Callable[[str], Path],
) -> None:
    at_step(12, send(signal.SIGTERM))
    data = {"train": str(squad_file("train")), "max_seq_length": 96, "doc_stride": 16}
    finished = train_tiny(data=data)
    assert (finished.run["state"], finished.run["result"]["metrics"]) == ("finished", {})


def test_a_stop_asked_for_in_the_last_step_leaves_its_evaluation_for_later(
    tiny_recipe: Callable[..., Recipe], at_step: AtStep
) -> None:
    recipe = tiny_recipe()
    at_step(12, send(signal.SIGTERM))
    with pytest.raises(StoppedError, match="after step 12 of 12"):
        train_recipe(recipe, TrainOptions(show_progress=False))
    run = train_recipe(recipe, TrainOptions(resume=True, show_progress=False))
    assert run["result"]["metrics"]["total"] == 24
    assert names(run_path(recipe)) == ["step_000012"]


@pytest.mark.parametrize(
    ("every", "kept"),
    [(None, ["step_000012"]), (5, ["step_000005", "step_000010", "step_000012"])],
)
def test_sigusr1_saves_and_goes_on_and_its_checkpoint_goes_once_there_is_a_later(
    every: int | None,
    kept: list[str],
    train_tiny: Callable[..., Any],
    at_step: AtStep,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[list[str]] = []
    real = Checkpointer.save_extra

    def note(self: Checkpointer, global_step: int, **more: Any) -> Path:
        folder = real(self, global_step, **more)
        seen.append(names(self.run_dir.path))
        return folder

    monkeypatch.setattr(Checkpointer, "save_extra", note)
    at_step(3, send(signal.SIGUSR1))
    train = {"max_steps": 12, "batch_size": 8, "save_every": every, "keep_checkpoints": 3}
    finished = train_tiny(train=train)
    assert seen == [["step_000003"]]
    assert names(finished.folder) == kept


def test_a_run_that_lost_its_best_checkpoint_chooses_among_those_to_come(
    tiny_recipe: Callable[..., Recipe], at_step: AtStep, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = tiny_recipe(
        eval={"every": 2},
        train={"max_steps": 12, "batch_size": 8, "learning_rate": 1e-9, "save_every": 2},
        allocator={"type": "none"},
        adapter={"type": "frd", "r": 2},
    )
    at_step(7, send(signal.SIGTERM))
    with pytest.raises(StoppedError):
        train_recipe(recipe, TrainOptions(show_progress=False))
    folder = run_path(recipe) / "checkpoints"
    first = folder / "step_000002"  # nothing is learned, so that the first is the best
    assert first.is_dir()
    (first / "README.md").write_text("changed")
    run = train_recipe(recipe, TrainOptions(resume=True, show_progress=False))
    assert "the best checkpoint is chosen among those to come" in caplog.text
    assert run["result"]["best_checkpoint"] == "step_000008"


@pytest.mark.parametrize(("adapter", "steps"), [("svd", {5, 10, 12}), ("frd", set())])
def test_how_far_each_matrix_is_from_orthogonal_is_logged_where_metrics_are(
    adapter: str, steps: set[int], train_tiny: Callable[..., Any], read_events: Read
) -> None:
    finished = train_tiny(
        adapter={"type": adapter, "r": 4},
        allocator={"type": "none"},
        train={"max_steps": 12, "batch_size": 8, "log_every": 5},
    )
    events = read_events(finished.folder / "tensorboard")
    tags = [tag for tag in events if tag.startswith("Orth_regu_loss/")]
    assert bool(tags) == bool(steps)
    assert all(set(events[tag]) == steps for tag in tags)
