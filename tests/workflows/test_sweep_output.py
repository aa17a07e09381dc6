import json
from typing import Any

import pytest

from qarank.config.sweep_points import SweepPoint
from qarank.workflows.sweep_ledger import SweepLedger
from qarank.workflows.sweep_output import write_report, write_summary


@pytest.fixture
def ledger(pruned_run: Any) -> SweepLedger:
    """One finished point, and one that waits."""
    recipe = pruned_run.recipe
    later = recipe.model_copy(update={"name": "later"})
    return SweepLedger(
        [SweepPoint("tiny", recipe, group="tiny"), SweepPoint("later", later, group="later")]
    )


def test_a_summary_is_written_while_points_wait(pruned_run: Any, ledger: SweepLedger) -> None:
    folder = pruned_run.folder.parent
    results = write_summary(pruned_run.recipe, folder, ledger)
    assert sorted(path.name for path in folder.glob("summary*")) == [
        "summary.csv",
        "summary.json",
        "summary.md",
        "summary_groups.csv",
    ]
    written = json.loads((folder / "summary.json").read_text())
    assert [row["state"] for row in written["points"]] == ["finished", "waiting"]
    assert written["comparisons"] == [] and [group.name for group in results.groups] == ["tiny"]


def test_a_report_has_page_and_pictures_and_links_to_the_runs(
    pruned_run: Any, ledger: SweepLedger
) -> None:
    folder = pruned_run.folder.parent
    write_report(pruned_run.recipe, folder, ledger)
    assert 'href="tiny/' in (folder / "report.html").read_text()
    assert (folder / "ranks.png").is_file() and (folder / "learning_curves.png").is_file()
