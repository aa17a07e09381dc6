"""A threshold tuned on held-out training articles, from training to the commands that use it."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.artifacts.run_dir import RunDir
from qarank.config.schema import Recipe
from qarank.errors import CheckpointError, StoppedError
from qarank.squad.examples import Example
from qarank.workflows.evaluate import evaluate_run
from qarank.workflows.manner import Manner
from qarank.workflows.predict import predict_answers
from qarank.workflows.prepare import prepare_run
from qarank.workflows.train import TrainOptions, run_path, train_recipe

FAST = {"max_steps": 12, "batch_size": 8, "learning_rate": 0.01, "save_every": 4, "log_every": 4}
SECTIONS = {
    "data": {
        "source": "sample:almanac",
        "max_train_examples": 64,
        "max_eval_examples": 24,
        "max_seq_length": 96,
        "doc_stride": 24,
        "threshold_share": 0.25,
    },
    "train": {**FAST, "precision": "fp32", "keep_checkpoints": 9},
    "eval": {"every": 6, "null_threshold": "tuned"},
}
AtStep = Callable[[int, Callable[[], Any]], None]


def train(recipe: Recipe, *, resume: bool = False) -> dict[str, Any]:
    options = TrainOptions(overwrite=not resume, resume=resume, show_progress=False)
    return train_recipe(recipe, options)


def thresholds(folder: Path) -> dict[str, float | None]:
    return {
        path.name: Manner.of_folder(path).null_threshold for path in RunDir(folder).checkpoints()
    }


def test_each_checkpoint_has_its_own_threshold_and_the_commands_take_it(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    recipe = tiny_recipe(**SECTIONS)
    run = train(recipe)
    folder = run_path(recipe)
    found = thresholds(folder)
    assert {"step_000004", "step_000008", "step_000012"} <= found.keys()  # 4, 8: not evaluated
    assert len(set(found.values())) == len(found)
    best = run["result"]["best_checkpoint"]
    assert run["result"]["metrics"]["null_threshold"] == found[best]
    assert run["data"]["threshold"]["label"] == "almanac-train-threshold"
    report = evaluate_run(folder, data=None, precision=None, show_progress=False)
    assert report["metrics"]["null_threshold"] == found[best]
    other = evaluate_run(folder, data=None, precision=None, show_progress=False, null_threshold=1e9)
    assert other["metrics"]["NoAns_exact"] <= report["metrics"]["NoAns_exact"]
    bare = [Example(row.id, "", row.context, row.question) for row in held_out(recipe)]
    for row in predict_answers(folder / "checkpoints" / best, bare):
        assert (row["answer"] == "") == (row["null_odds"] > found[best])


def held_out(recipe: Recipe) -> list[Example]:
    part = prepare_run(recipe).threshold
    assert part is not None
    return part.examples


def test_what_is_held_out_is_not_trained_on(tiny_recipe: Callable[..., Recipe]) -> None:
    prepared = prepare_run(tiny_recipe(**SECTIONS))
    trained = {example.context for example in prepared.train.examples}
    assert not trained & {example.context for example in held_out(prepared.recipe)}
    assert prepared.plan.num_features == len(prepared.train.table)


@pytest.mark.parametrize("step", [3, 4, 6])  # in training, before a save, before an evaluation
def test_a_stopped_run_goes_on_to_the_same_thresholds(
    step: int, tiny_recipe: Callable[..., Recipe], at_step: AtStep
) -> None:
    recipe = tiny_recipe(**SECTIONS)
    folder = run_path(recipe)
    train(recipe)
    expected = thresholds(folder)
    answers = [path.read_bytes() for path in sorted(folder.glob("eval/*/*/predictions.json"))]
    shutil.rmtree(folder)
    at_step(step, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(StoppedError):
        train(recipe)
    train(recipe, resume=True)
    assert thresholds(folder) == expected
    again = [path.read_bytes() for path in sorted(folder.glob("eval/*/*/predictions.json"))]
    assert again == answers


def test_a_checkpoint_saved_out_of_turn_has_no_threshold_yet(
    tiny_recipe: Callable[..., Recipe], at_step: AtStep
) -> None:
    recipe = tiny_recipe(**SECTIONS)
    at_step(3, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(StoppedError):
        train(recipe)
    (checkpoint,) = RunDir(run_path(recipe)).checkpoints()
    assert Manner.of_folder(checkpoint).null_threshold is None
    with pytest.raises(CheckpointError, match="before its null threshold was tuned"):
        predict_answers(checkpoint, [Example("a", "", "Ann.", "Who?")])
