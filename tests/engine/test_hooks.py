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


def test_a_report_is_a_fact_and_cannot_be_changed_by_a_listener() -> None:
    report = StepReport(1, 0.5, 0.0, 1.0, 1e-3, 16, False, 0.1)
    with pytest.raises(FrozenInstanceError):
        report.loss = 0.0  # type: ignore[misc]
