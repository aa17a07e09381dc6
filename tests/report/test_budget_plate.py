import pytest

from qarank.report.budget_plate import describe_plot, plan_budget_plate
from tests.report.studies import gather, make_row, many_kinds, nothing_finished, sixteen_points


def test_a_sweep_has_em_and_f1_and_a_mark_for_each_method_that_finished() -> None:
    plate = plan_budget_plate(many_kinds())
    assert plate is not None
    assert [panel.name for panel in plate.panels] == ["budget-exact", "budget-f1"]
    labels = [label for label, _ in plate.legend]
    assert labels == ["frd", "svd + adalora", "svd", "none", "published: a paper, table 2"]
    marks = [mark for _, mark in plate.legend]
    assert [mark.is_hollow for mark in marks] == [False] * 4 + [True]
    assert len({(mark.colour, mark.marker) for mark in marks}) == 5


def test_before_a_run_is_finished_there_is_none() -> None:
    assert plan_budget_plate(nothing_finished()) is None


@pytest.mark.parametrize(
    ("rows", "words", "missing"),
    [
        ([make_row("lora", "frd")], [], ["deviation", "apart", "level", "Rings"]),
        ([make_row("lora", "frd", seed) for seed in (0, 1)], ["deviation"], ["apart", "level"]),
        ([make_row("lora", "frd"), make_row("full", "full")], ["apart", "level"], ["Rings"]),
    ],
)
def test_the_caption_tells_of_what_is_there_alone(
    rows: list, words: list[str], missing: list[str]
) -> None:
    caption = describe_plot(gather(rows).groups, is_published=False)
    assert all(word in caption for word in words)
    assert not any(word in caption for word in missing)


def test_sources_are_told_once_each() -> None:
    plate = plan_budget_plate(sixteen_points())
    assert plate is not None and len(plate.legend) == 2
    assert "Rings" in describe_plot(many_kinds().groups, is_published=True)
