import json
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from qarank.artifacts.run_dir import RunDir
from qarank.engine.distributed import ALONE, Processes
from qarank.engine.signals import SignalRequests
from qarank.errors import NonFiniteError, RunError, StoppedError
from qarank.workflows import evaluator as module
from qarank.workflows.build import Setting, build_model
from qarank.workflows.evaluator import Evaluator, metric_key
from qarank.workflows.prepare import Prepared
from qarank.workflows.scoring import evaluate_reader

Make = Callable[..., Evaluator]
FILES = {"metrics.json", "nbest_predictions.json", "null_odds.json", "predictions.json"}


@pytest.fixture
def make(prepare_tiny: Callable[..., Prepared], tmp_path: Path) -> Make:
    """An evaluator of the untrained tiny model, in several batches."""
    prepared = prepare_tiny(eval={"batch_size": 5})
    model, _ = build_model(prepared, Setting(torch.device("cpu"), "fp32"))

    def build(processes: Processes = ALONE, signals: Any = None, folder: str = "run") -> Evaluator:
        setting = Setting(torch.device("cpu"), "fp32", processes, signals)
        run_dir = RunDir(tmp_path / folder)
        return Evaluator(prepared, model, run_dir, setting, show_progress=False)

    return build


@pytest.mark.parametrize(
    ("best_metric", "with_null", "key"),
    [
        ("exact", True, "exact"),
        ("exact", False, "exact_match"),
        ("f1", True, "f1"),
        ("f1", False, "f1"),
    ],
)
def test_the_best_metric_goes_by_the_scripts_key(
    best_metric: str, with_null: bool, key: str
) -> None:
    assert metric_key(best_metric, with_null) == key


def test_an_evaluations_files_stand_under_its_step_and_data(make: Make) -> None:
    evaluator = make()
    metrics = evaluator(4)
    folder = evaluator.run_dir.path / "eval" / "step_000004" / "almanac-validation"
    assert {path.name for path in folder.iterdir()} == FILES
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert metrics["total"] == 24


def test_two_processes_find_what_one_finds_and_one_writes(
    make: Make, run_together: Callable[..., list[Any]]
) -> None:
    alone = make(folder="alone")
    expected = alone(4)

    def evaluate(processes: Processes) -> Any:
        return make(processes, folder=f"of_{processes.world.global_rank}")(4)

    assert run_together(evaluate, 2) == [expected, expected]
    runs = alone.run_dir.path.parent
    assert not (runs / "of_1").exists()
    for path in (runs / "alone").rglob("*.json"):
        other = runs / "of_0" / path.relative_to(runs / "alone")
        assert other.read_bytes() == path.read_bytes()


TUNED = {
    "data": {
        "source": "sample:almanac",
        "max_train_examples": 64,
        "max_eval_examples": 24,
        "max_seq_length": 96,
        "doc_stride": 24,
        "threshold_share": 0.25,
    },
    "eval": {"batch_size": 5, "null_threshold": "tuned"},
}


@pytest.fixture
def tuned(prepare_tiny: Callable[..., Prepared], tmp_path: Path) -> Make:
    """As `make`, of a recipe whose threshold is tuned."""
    prepared = prepare_tiny(**TUNED)
    model, _ = build_model(prepared, Setting(torch.device("cpu"), "fp32"))

    def build(processes: Processes = ALONE, folder: str = "run") -> Evaluator:
        setting = Setting(torch.device("cpu"), "fp32", processes)
        return Evaluator(prepared, model, RunDir(tmp_path / folder), setting, show_progress=False)

    return build


def test_the_threshold_is_the_best_one_on_what_was_held_out(tuned: Make) -> None:
    evaluator = tuned()
    part, settings = evaluator.prepared.threshold, evaluator.prepared.recipe.eval
    assert part is not None
    threshold = evaluator.threshold_at(4)
    scores = [
        evaluate_reader(
            evaluator.reader, part.examples, part.table, settings, null_threshold=value
        ).metrics["f1"]
        for value in (threshold, 0.0, -1.0, 1.0, -math.inf, math.inf)
    ]
    assert scores[0] == max(scores) > min(scores)
    metrics = evaluator(4)
    assert metrics["null_threshold"] == threshold
    assert metrics["total"] == 24, "of the evaluation data alone"


def test_the_threshold_is_tuned_once_a_step(tuned: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = tuned()
    assert evaluator.known_threshold(4) is None
    threshold = evaluator.threshold_at(4)
    monkeypatch.setattr(module, "find_spans", lambda *_, **__: pytest.fail("tuned again"))
    assert evaluator.threshold_at(4) == evaluator.known_threshold(4) == threshold
    assert evaluator.known_threshold(5) is None


def test_a_threshold_that_the_recipe_gives_is_known_at_every_step(make: Make) -> None:
    assert make().known_threshold(7) == make().threshold_at(7) == 0.0


def test_two_processes_tune_the_same_threshold(
    tuned: Make, run_together: Callable[..., list[Any]]
) -> None:
    expected = tuned().threshold_at(4)
    found = run_together(lambda processes: tuned(processes).threshold_at(4), 2)
    assert found == [expected, expected]


def test_a_request_to_stop_gives_the_evaluation_up(make: Make) -> None:
    with SignalRequests() as signals:
        evaluator = make(signals=signals)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(StoppedError) as caught:
            evaluator(4)
    assert caught.value.exit_code == 128 + signal.SIGTERM
    assert not evaluator.run_dir.path.exists()


def test_what_stops_one_process_gives_the_evaluation_up_on_all(
    make: Make, run_together: Callable[..., list[Any]]
) -> None:
    def evaluate(processes: Processes) -> None:
        signals = SignalRequests()
        if processes.world.global_rank == 1:
            signals.stop = signal.SIGINT
        make(processes, signals)(4)

    errors = run_together(evaluate, 2)
    assert {type(error) for error in errors} == {StoppedError}
    assert [error.exit_code for error in errors] == [130, 130]
    assert not make().run_dir.path.exists()


def test_logits_that_are_not_finite_end_the_run_with_the_step(make: Make) -> None:
    evaluator = make()
    head = evaluator.reader.model.get_submodule("qa_outputs")
    assert isinstance(head, nn.Linear)
    nn.init.constant_(head.bias, float("nan"))
    with pytest.raises(RunError, match=r"^step 4, evaluation: logits are NaN") as caught:
        evaluator(4)
    assert not isinstance(caught.value, NonFiniteError), "that is one of a training step"
    assert not evaluator.run_dir.path.exists()
