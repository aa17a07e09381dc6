import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qarank.workflows.announce import GIB, announce_estimate, announce_plan
from qarank.workflows.prepare import Prepared
from qarank.workflows.rehearsal import Estimate


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What the run says, as its messages."""
    with caplog.at_level(logging.INFO, "qarank"):
        yield caplog


def test_steps_trained_parameters_targets_and_budget_are_told(
    prepare_tiny: Callable[..., Prepared], told: pytest.LogCaptureFixture
) -> None:
    prepared = prepare_tiny()
    announce_plan(prepared)
    first, *adapted, budget = told.messages
    assert first == f"tiny: 12 steps, {prepared.plan.trained_parameters:,} trained parameters"
    assert len(adapted) == len(prepared.plan.targets) == 6
    assert all(line.endswith(", 2 matrices") for line in adapted)
    assert budget == "  triplets: 48 -> 24"


def test_a_budget_of_parameters_is_told_as_such(
    prepare_tiny: Callable[..., Prepared], told: pytest.LogCaptureFixture
) -> None:
    keys = {"target_r": 2, "budget_unit": "parameters", "tinit": 2, "tfinal": 4}
    announce_plan(prepare_tiny(allocator={"type": "adalora", **keys}))
    assert told.messages[-1] == "  parameters: 3328 -> 1664"


def test_ranks_of_another_run_are_told_with_where_they_are_from(
    prepare_tiny: Callable[..., Prepared], told: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    path = tmp_path / "ranks.json"
    path.write_text(json.dumps(dict.fromkeys(prepare_tiny().plan.matrices, 3)))
    announce_plan(prepare_tiny(allocator={"type": "file", "pattern": str(path)}))
    assert told.messages[-1] == f"  triplets: 36, as in {path}"


def test_without_adapters_there_is_nothing_to_list(
    prepare_tiny: Callable[..., Prepared], told: pytest.LogCaptureFixture
) -> None:
    announce_plan(prepare_tiny(adapter={"type": "none"}, allocator={"type": "none"}))
    assert told.messages == ["tiny: 12 steps, 66 trained parameters"]


def test_several_processes_are_told(
    prepare_tiny: Callable[..., Prepared], told: pytest.LogCaptureFixture
) -> None:
    announce_plan(replace(prepare_tiny(), world_size=3))
    assert told.messages[0].startswith("tiny: 12 steps on 3 processes, ")


@pytest.mark.parametrize(("asked", "num_lines"), [("bf16", 1), ("no", 0)])
def test_accelerates_precision_is_not_followed_unseen(
    asked: str,
    num_lines: int,
    prepare_tiny: Callable[..., Prepared],
    told: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", asked)
    announce_plan(prepare_tiny())
    lines = [line for line in told.messages if "train.precision decides" in line]
    assert lines == [f"accelerate's {asked} is not used: train.precision decides"] * num_lines


@pytest.mark.parametrize(("number", "words"), [(3, "3 evaluations"), (1, "1 evaluation")])
def test_what_is_left_is_told_in_time_memory_and_disk(
    number: int, words: str, told: pytest.LogCaptureFixture
) -> None:
    announce_estimate(
        Estimate(
            step_s=0.5,
            train_s=600.0,
            num_evaluations=number,
            evaluation_s=60.0,
            total_s=660.0,
            peak_bytes=2 * GIB,
            checkpoint_bytes=1,
            disk_bytes=GIB // 4,
            disk_free_bytes=9 * GIB,
        )
    )
    assert told.messages == [
        f"  11 min for what is left: 0.5 s a step, {words}; memory 2.0 GiB, disk 0.25 GiB"
    ]
