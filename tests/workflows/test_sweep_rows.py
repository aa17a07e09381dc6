from collections.abc import Callable
from typing import Any

import pytest
import yaml

from qarank.config.load import parse_recipe
from qarank.config.published import PublishedFigures
from qarank.config.schema import Recipe
from qarank.config.sweep_points import SweepPoint
from qarank.report.study import Published
from qarank.workflows.sweep_rows import build_study, name_method, read_row


@pytest.fixture
def point(pruned_run: Any) -> SweepPoint:
    """The point of a finished run."""
    return SweepPoint("tiny", pruned_run.recipe, group="tiny")


def test_a_finished_run_is_a_row_of_its_best_checkpoint(pruned_run: Any, point: SweepPoint) -> None:
    row, result = read_row(point), pruned_run.run["result"]
    assert row.state == "finished" and row.reason is None
    assert row.metrics == result["metrics"]
    assert (row.exact, row.f1) == (result["metrics"]["exact"], result["metrics"]["f1"])
    assert (row.final_ranks, row.start_budget) == (8, 48)
    shapes = pruned_run.run["plan"]["matrices"]
    assert row.budget == sum(kept * sum(shapes[path]) for path, kept in row.ranks.items())
    head = pruned_run.run["plan"]["head_parameters"]
    assert row.final_parameters == row.budget + head
    assert row.peak_bytes == result["peak_bytes"] > 2**20


def test_a_run_that_is_not_the_points_own_does_not_count(point: SweepPoint) -> None:
    row = read_row(point, is_current=False)
    assert row.state == "waiting" and not row.metrics and row.budget is None


def test_a_failure_of_this_call_counts_more_than_the_folder(point: SweepPoint) -> None:
    row = read_row(point, failure="the disk is full")
    assert (row.state, row.reason) == ("failed", "the disk is full") and not row.metrics


@pytest.mark.parametrize(
    ("sections", "method"),
    [
        ({}, "svd + adalora"),
        ({"adapter": {"type": "frd", "r": 2}, "allocator": {"type": "none"}}, "frd"),
        ({"adapter": {"type": "none"}, "allocator": {"type": "none"}}, "none"),
        ({"adapter": {"type": "none", "full": True}, "allocator": {"type": "none"}}, "full"),
    ],
)
def test_a_method_is_adapter_and_allocator(
    tiny_recipe: Callable[..., Recipe], sections: dict[str, Any], method: str
) -> None:
    assert name_method(tiny_recipe(**sections)) == method


def test_a_study_has_the_curves_and_rounds_of_what_has_begun(
    pruned_run: Any, point: SweepPoint
) -> None:
    recipe = pruned_run.recipe
    figures = PublishedFigures(source="a paper", f1=88.0)
    later = SweepPoint("later", recipe.model_copy(update={"name": "later"}), group="later")
    points = [SweepPoint("tiny", recipe, group="tiny", published=figures), later]
    rows = [read_row(each) for each in points]
    study = build_study(recipe, pruned_run.folder.parent, points, rows)
    assert study.published == {"tiny": Published(source="a paper", f1=88.0)}
    assert study.links == {"tiny": "tiny"}
    steps = [line["global_step"] for line in study.curves["tiny"] if "train/loss" in line]
    assert steps == [4, 8, 12]
    assert len(study.rounds["tiny"]) == pruned_run.run["result"]["num_rounds"]
    assert study.versions["torch"] and study.data["train"]["examples"] == 64
    assert parse_recipe(yaml.safe_load(study.recipe), "x") == recipe
