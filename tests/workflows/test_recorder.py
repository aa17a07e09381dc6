import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from qarank.artifacts.run_dir import RunDir
from qarank.engine.hooks import StepReport
from qarank.engine.tracking import Tracker
from qarank.ranks.allocator import AllocationRound
from qarank.workflows.recorder import Milestones, RankRecorder, RunRecorder


def report(step: int, **changed: Any) -> StepReport:
    facts = {
        "global_step": step,
        "loss": 1.0,
        "penalty": 0.0,
        "grad_norm": 1.0,
        "learning_rate": 0.1,
        "num_rows": 4,
        "skipped": False,
        "seconds": 0.5,
    }
    return StepReport(**(facts | changed))


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    """An empty run folder."""
    return RunDir(tmp_path)


@pytest.fixture
def tracker(run_dir: RunDir) -> Iterator[Tracker]:
    """Open on the run's own files."""
    with Tracker(run_dir.metrics_path, run_dir.tensorboard_dir) as opened:
        yield opened


@pytest.fixture
def record(run_dir: RunDir, tracker: Tracker) -> Callable[..., RunRecorder]:
    """Plays a run of 10 steps whose evaluations score as given, by step."""

    def play(
        scores: Mapping[int, float] | None,
        *,
        eval_every: int | None = 2,
        save_every: int | None = None,
        first_final_step: int = 0,
        keep_checkpoints: int = 2,
    ) -> RunRecorder:
        def save(step: int, _: Mapping[str, Any]) -> None:
            run_dir.checkpoint_dir(step).mkdir(parents=True)

        recorder = RunRecorder(
            run_dir,
            milestones=Milestones(10, eval_every, save_every, first_final_step),
            evaluate=None if scores is None else lambda step: {"f1": scores[step], "total": 3},
            save=save,
            best_metric="f1",
            keep_checkpoints=keep_checkpoints,
            tracker=tracker,
        )
        for step in range(1, 11):
            recorder.count(report(step, skipped=step == 3))
            recorder.settle(step)
        return recorder

    return play


def saved_steps(run_dir: RunDir) -> list[int]:
    return [int(folder.name.removeprefix("step_")) for folder in run_dir.checkpoints()]


@pytest.mark.parametrize(("every", "due"), [(4, [4, 8, 10]), (5, [5, 10]), (None, [10])])
def test_a_run_evaluates_and_saves_when_due_and_after_the_last_step(
    every: int | None, due: list[int]
) -> None:
    milestones = Milestones(10, eval_every=every, save_every=every, first_final_step=0)
    steps = range(1, 11)
    assert [step for step in steps if milestones.is_evaluation(step)] == due
    assert [step for step in steps if milestones.is_save(step)] == due


def test_the_best_is_sought_at_the_final_budget_only(
    record: Callable[..., RunRecorder], run_dir: RunDir
) -> None:
    scores = {2: 99.0, 4: 98.0, 6: 50.0, 8: 60.0, 10: 55.0}
    recorder = record(scores, first_final_step=6)
    assert (recorder.progress.best_step, recorder.progress.best_value) == (8, 60.0)
    assert saved_steps(run_dir) == [8, 10]


def test_of_equal_evaluations_the_first_is_the_best(record: Callable[..., RunRecorder]) -> None:
    assert record(dict.fromkeys(range(2, 11, 2), 7.0)).progress.best_step == 2


def test_the_best_outlives_newer_checkpoints(
    record: Callable[..., RunRecorder], run_dir: RunDir
) -> None:
    scores = {2: 9.0, 4: 1.0, 6: 1.0, 8: 1.0, 10: 1.0}
    record(scores, save_every=2, keep_checkpoints=1)
    assert saved_steps(run_dir) == [2, 10]


def test_without_evaluation_data_checkpoints_are_saved_all_the_same(
    record: Callable[..., RunRecorder], run_dir: RunDir
) -> None:
    recorder = record(None, save_every=5)
    assert saved_steps(run_dir) == [5, 10]
    assert (recorder.progress.best_step, recorder.progress.metrics) == (None, {})


def test_steps_rows_and_seconds_are_summed(record: Callable[..., RunRecorder]) -> None:
    progress = record(None).progress
    assert (progress.seconds, progress.rows, progress.num_skipped) == (5.0, 40, 1)


def test_each_evaluation_is_a_line(record: Callable[..., RunRecorder], run_dir: RunDir) -> None:
    record({5: 1.5, 10: 2.5}, eval_every=5)
    lines = [json.loads(line) for line in run_dir.metrics_path.read_text().splitlines()]
    assert lines == [
        {"global_step": 5, "eval/f1": 1.5, "eval/total": 3.0},
        {"global_step": 10, "eval/f1": 2.5, "eval/total": 3.0},
    ]


def test_a_round_is_a_line_with_all_its_keys(run_dir: RunDir, tracker: Tracker) -> None:
    recorder = RankRecorder(run_dir, tracker, costs={"a": 10, "b": 20}, r=4)
    recorder(AllocationRound(4, 3, 0.5, {"a": 1, "b": 2}, 0, "aa"))
    recorder(AllocationRound(6, 3, None, {"a": 2, "b": 1}, 1, "bb"))
    lines = [json.loads(line) for line in run_dir.ranks_path.read_text().splitlines()]
    assert lines[0] == {
        "global_step": 4,
        "budget": 3,
        "threshold": 0.5,
        "ranks": {"a": 1, "b": 2},
        "revived": 0,
        "mask_hash": "aa",
        "margin": None,
    }
    assert lines[1]["threshold"] is None
    assert recorder.num_revived == 1


def test_a_round_is_told_to_tensorboard_under_the_originals_tags(
    run_dir: RunDir, read_events: Callable[[Path], dict[str, dict[int, float]]]
) -> None:
    with Tracker(run_dir.metrics_path, run_dir.tensorboard_dir) as tracker:
        recorder = RankRecorder(run_dir, tracker, costs={"a": 10, "b": 20}, r=4)
        recorder(AllocationRound(4, 3, 0.5, {"a": 1, "b": 2}, 0, "aa"))
    assert read_events(run_dir.tensorboard_dir) == {
        "Ranknum/a": {4: 1.0},
        "Ranknum/b": {4: 2.0},
        "Budget/total_rank": {4: 3.0},
        "Budget/sum_param": {4: 50.0},
        "Budget/mask_threshold": {4: 0.5},
    }


def test_a_checkpoint_shows_figures_of_its_own_step_only(run_dir: RunDir, tracker: Tracker) -> None:
    saved: dict[int, dict[str, Any]] = {}
    recorder = RunRecorder(
        run_dir,
        milestones=Milestones(6, 4, 3, 0),
        evaluate=lambda step: {"f1": float(step)},
        save=lambda step, metrics: saved.update({step: dict(metrics)}),
        best_metric="f1",
        keep_checkpoints=2,
        tracker=tracker,
    )
    for step in range(1, 7):
        recorder.count(report(step))
        recorder.settle(step)
    assert saved == {3: {}, 4: {"f1": 4.0}, 6: {"f1": 6.0}}
    assert recorder.progress.best_metrics == {"f1": 6.0}
