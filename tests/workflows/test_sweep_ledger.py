from typing import Any

import pytest

from qarank.artifacts.run_dir import RunDir
from qarank.config.sweep_points import SweepPoint
from qarank.workflows.sweep_ledger import SweepLedger
from qarank.workflows.train import run_path


@pytest.fixture
def point(own_run: Any) -> SweepPoint:
    """Of a finished run in a folder that may be changed."""
    where = {"name": own_run.folder.name, "runs_dir": str(own_run.folder.parent)}
    return SweepPoint("a", own_run.recipe.model_copy(update=where), group="a")


def state_of(ledger: SweepLedger) -> str:
    (row,), (progress,) = ledger.rows(), ledger.progress()
    assert row.state == progress.state
    return row.state


def test_a_point_is_what_its_folder_says(point: SweepPoint) -> None:
    ledger = SweepLedger([point])
    assert state_of(ledger) == "finished"
    run_dir = RunDir(run_path(point.recipe))
    run_dir.write_run({**run_dir.read_run(), "state": "failed", "reason": "why"})
    assert state_of(ledger) == "failed"
    assert ledger.rows()[0].reason == ledger.progress()[0].note == "why"


def test_a_run_of_another_recipe_is_none_of_the_points(point: SweepPoint) -> None:
    other = SweepPoint("a", point.recipe.model_copy(update={"seed": 77}), group="a")
    assert state_of(SweepLedger([other])) == "waiting"


def test_what_is_noted_counts_until_the_next_note(point: SweepPoint) -> None:
    ledger = SweepLedger([point])
    ledger.note("a", is_running=True)
    assert state_of(ledger) == "running" and not ledger.failed()
    ledger.note("a", failure="full disk", exit_code=3)
    assert state_of(ledger) == "failed"
    (failed,) = ledger.failed()
    assert (failed.failure, failed.exit_code) == ("full disk", 3)
    ledger.note("a", is_current=False)
    assert state_of(ledger) == "waiting"
    ledger.note("a", is_current=True, was_finished=True)
    assert state_of(ledger) == "finished" and ledger.rows()[0].was_finished
