import inspect
from dataclasses import FrozenInstanceError

import pytest

from qarank.engine.hooks import StepData, StepHook, StepReport
from qarank.ranks.allocator import RankAllocator
from qarank.squad.step_data import TrainBatches


@pytest.mark.parametrize(
    ("protocol", "member", "offered_by"),
    [
        (StepData, "rows_at", TrainBatches),
        (StepData, "lengths", TrainBatches),
        (StepData, "names", TrainBatches),
        (StepData, "load", TrainBatches),
        (StepHook, "after_optimizer_step", RankAllocator),
    ],
)
def test_what_the_loop_asks_is_offered_under_the_same_names(
    protocol: type, member: str, offered_by: type
) -> None:
    asked = inspect.signature(getattr(protocol, member)).parameters
    offered = inspect.signature(getattr(offered_by, member)).parameters
    assert [(p.name, p.kind) for p in offered.values()] == [
        (p.name, p.kind) for p in asked.values()
    ]


def test_every_method_that_the_loop_asks_for_is_compared_above() -> None:
    asked = {name for name, member in vars(StepData).items() if inspect.isfunction(member)}
    assert {name for name in asked if not name.startswith("_")} == {
        "rows_at",
        "lengths",
        "names",
        "load",
    }


def test_a_step_that_nobody_asked_anything_of_reports_nothing_asked() -> None:
    assert not StepReport(1, 0.5, 0.0, 1.0, 1e-3, 16, False, 0.1).requests


def test_a_report_is_a_fact_and_cannot_be_changed_by_a_listener() -> None:
    report = StepReport(1, 0.5, 0.0, 1.0, 1e-3, 16, False, 0.1)
    with pytest.raises(FrozenInstanceError):
        report.loss = 0.0  # type: ignore[misc]
