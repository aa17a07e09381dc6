"""What a recorder keeps for a run that is stopped and goes on, and which checkpoints it keeps."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.artifacts.checkpoint import new_checkpoint
from qarank.artifacts.run_dir import RunDir
from qarank.engine.tracking import NullTracker
from qarank.ranks.allocator import AllocationRound
from qarank.workflows.recorder import Milestones, Progress, RankRecorder, RunRecorder

FIGURES = st.dictionaries(st.sampled_from(["f1", "exact"]), st.floats(0, 100))
COUNTS = st.integers(0, 10**9)


@st.composite
def progresses(draw: st.DrawFn) -> Progress:
    best_step = draw(st.none() | COUNTS)
    return Progress(
        metrics=draw(FIGURES),
        best_metrics=draw(FIGURES),
        best_step=best_step,
        best_value=float("-inf") if best_step is None else draw(st.floats(0, 100)),
        seconds=draw(st.floats(0, 1e9)),
        rows=draw(COUNTS),
        num_skipped=draw(COUNTS),
        saved_steps=draw(st.lists(COUNTS)),
    )


@given(progress=progresses())
def test_progress_comes_back_from_json_as_it_went(progress: Progress) -> None:
    text = json.dumps(progress.state_dict(), allow_nan=False)
    assert Progress.from_state(json.loads(text)) == progress


def test_a_state_once_taken_does_not_move_on_with_the_run() -> None:
    progress = Progress(saved_steps=[2], metrics={"f1": 1.0})
    state = progress.state_dict()
    progress.saved_steps.append(4)
    progress.metrics["f1"] = 2.0
    assert (state["saved_steps"], state["metrics"]) == ([2], {"f1": 1.0})


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., RunRecorder]:
    """A recorder that keeps one checkpoint and the best; saves are noted under `seen`."""

    def build(scores: Mapping[int, float] | None = None, **changed: Any) -> RunRecorder:
        run_dir, seen = RunDir(tmp_path), []

        def save(step: int, _: Mapping[str, Any]) -> None:
            seen.append(f"save {step}")
            with new_checkpoint(run_dir.checkpoint_dir(step)) as folder:
                (folder / "file").write_text("x")

        def evaluate(step: int) -> Mapping[str, Any]:
            seen.append(f"evaluate {step}")
            return {"f1": (scores or {})[step]}

        asked = {
            "milestones": Milestones(10, 2, 2, 0),
            "evaluate": evaluate if scores else None,
            "save": save,
            "best_metric": "f1",
            "keep_checkpoints": 1,
            "tracker": NullTracker(),
            "before_save": lambda step: seen.append(f"before {step}"),
        }
        recorder = RunRecorder(run_dir, **(asked | changed))
        recorder.seen = seen  # type: ignore[attr-defined]
        return recorder

    return build


def names(recorder: RunRecorder) -> list[str]:
    return [folder.name for folder in recorder.run_dir.checkpoints()]


def test_a_step_is_evaluated_then_noted_then_saved(make: Callable[..., RunRecorder]) -> None:
    recorder = make({2: 1.0, 4: 0.5}, milestones=Milestones(10, 2, 3, 0))
    for step in (1, 2, 3, 4):
        recorder.settle(step)
    assert recorder.seen == [  # type: ignore[attr-defined]
        "evaluate 2",
        "before 2",
        "save 2",  # the best so far
        "before 3",
        "save 3",
        "evaluate 4",
        "before 4",
    ]


def test_only_checkpoints_the_recipe_asked_for_count_as_saved(
    make: Callable[..., RunRecorder],
) -> None:
    recorder = make()
    recorder.settle(2)
    recorder.save(3, {})  # as a signal asks for
    assert recorder.progress.saved_steps == [2]
    recorder.drop_old()
    assert names(recorder) == ["step_000002", "step_000003"], "the one to go on from is kept"
    recorder.settle(4)
    assert names(recorder) == ["step_000004"], "and is no regular one once there is a later"


def test_a_process_that_does_not_write_deletes_nothing(make: Callable[..., RunRecorder]) -> None:
    recorder = make(writes=False)
    for step in (2, 4, 6):
        recorder.settle(step)
    assert names(recorder) == ["step_000002", "step_000004", "step_000006"]
    assert recorder.progress.saved_steps == [2, 4, 6]


def test_a_run_that_goes_on_keeps_its_best_until_a_better_one(
    make: Callable[..., RunRecorder],
) -> None:
    stopped = make({2: 50.0, 4: 10.0})
    stopped.settle(2)
    stopped.settle(4)
    resumed = make({6: 40.0, 8: 60.0})
    resumed.progress = Progress.from_state(json.loads(json.dumps(stopped.progress.state_dict())))
    assert not resumed.has_lost_best()
    resumed.settle(6)
    assert resumed.progress.best_step == 2
    assert names(resumed) == ["step_000002", "step_000006"]
    resumed.settle(8)
    assert resumed.progress.best_step == 8
    assert names(resumed) == ["step_000008"]


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_a_best_checkpoint_that_was_lost_is_told_and_forgotten(
    harm: str, make: Callable[..., RunRecorder], caplog: pytest.LogCaptureFixture
) -> None:
    recorder = make({2: 50.0, 4: 10.0})
    assert not recorder.has_lost_best(), "none has been chosen yet"
    recorder.settle(2)
    folder = recorder.run_dir.checkpoint_dir(2)
    if harm == "gone":
        folder.rename(folder.with_name("elsewhere"))
    else:
        (folder / "file").write_text("y")
    with caplog.at_level(logging.WARNING, "qarank"):
        assert recorder.has_lost_best()
    (line,) = caplog.messages
    assert line.endswith("; the best checkpoint is chosen among those to come")
    recorder.forget_best()
    assert recorder.progress == Progress(metrics={"f1": 50.0}, saved_steps=[2])
    recorder.settle(4)
    assert recorder.progress.best_step == 4


class Pictures(NullTracker):
    """Keeps what is drawn."""

    def __init__(self) -> None:
        self.drawn: list[tuple[int, str, np.ndarray]] = []

    def log_image(self, global_step: int, tag: str, pixels: np.ndarray) -> None:
        self.drawn.append((global_step, tag, pixels))


@pytest.mark.parametrize("writes", [True, False])
def test_ranks_are_drawn_and_written_by_the_process_that_writes(
    writes: bool, tmp_path: Path
) -> None:
    pictures = Pictures()
    recorder = RankRecorder(RunDir(tmp_path), pictures, {"layer.0.a": 10}, r=4, writes=writes)
    layers: Any = {"layer.0.a": SimpleNamespace(rank=3)}
    recorder.draw(8, layers)
    recorder(AllocationRound(8, 3, 0.5, {"layer.0.a": 3}, 2, "aa"))
    assert recorder.num_revived == 2, "counted by all, since all keep it in their state"
    assert (tmp_path / "ranks.jsonl").exists() == writes
    assert [(step, tag) for step, tag, _ in pictures.drawn] == [(8, "Ranks")] * writes
    for _, _, pixels in pictures.drawn:
        assert (pixels.dtype, pixels.shape[2]) == (np.uint8, 3)
