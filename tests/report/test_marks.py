from dataclasses import replace

import pytest

from qarank.report.marks import (
    DASHES,
    MARKERS_A_LINE,
    MOST_TOGETHER,
    PUBLISHED,
    arrange_facets,
    mark_all,
    mark_at,
)
from qarank.report.study import Row
from qarank.report.theme import NAMES


def rows(**methods: str) -> list[Row]:
    """Group -> method, two seeds each."""
    return [
        Row(f"{group}_{seed}", group, method, seed, 0.1)
        for group, method in methods.items()
        for seed in range(2)
    ]


def test_no_two_marks_are_alike_until_colours_and_dashes_are_used_up() -> None:
    marks = [mark_at(place) for place in range(MOST_TOGETHER * len(DASHES))]
    assert len({(mark.colour, mark.marker, str(mark.dash)) for mark in marks}) == len(marks)


def test_what_has_another_colour_has_another_marker_too() -> None:
    marks = [mark_at(place) for place in range(MOST_TOGETHER)]
    assert len({mark.marker for mark in marks}) == len({mark.colour for mark in marks}) == 8


def test_names_are_marked_in_the_order_they_stand_in() -> None:
    marks = mark_all(["b", "a", "b"])
    assert marks == {"b": mark_at(0), "a": mark_at(1)}


def test_marks_are_drawn_in_colours_of_the_theme() -> None:
    for mark in (mark_at(0), PUBLISHED):
        style = mark.style()
        keys = ("color", "markerfacecolor", "markeredgecolor")
        assert {style[key] for key in keys} <= set(NAMES)
    assert PUBLISHED.style()["markerfacecolor"] != PUBLISHED.colour
    assert replace(PUBLISHED, is_hollow=False).style()["markerfacecolor"] == PUBLISHED.colour


@pytest.mark.parametrize("num_points", [1, 2, 7, 300])
def test_of_a_curve_a_few_points_show_the_marker(num_points: int) -> None:
    for place in range(MOST_TOGETHER):
        start, every = mark_at(place).curve_style(num_points, place)["markevery"]
        shown = range(num_points)[start::every]
        assert 1 <= len(shown) <= MARKERS_A_LINE


def test_few_groups_are_drawn_together() -> None:
    (facet,) = arrange_facets(rows(lora="frd", ada="svd + adalora"))
    assert (facet.title, list(facet.marks)) == ("", ["lora", "ada"])
    assert arrange_facets([]) == []


def test_more_groups_than_colours_are_drawn_by_method() -> None:
    many = {f"lora_{r}": "frd" for r in range(6)} | {f"ada_{r}": "svd" for r in range(6)}
    first, second = arrange_facets(rows(**many))
    assert (first.title, second.title) == ("frd", "svd")
    assert list(first.marks.values()) == list(second.marks.values())
    assert [*first.marks, *second.marks] == list(many)
