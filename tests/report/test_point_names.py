import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.report.plot_style import new_figure, plot_style
from qarank.report.point_names import GAP, LINE, NamedPoint, move_apart, write_names


@given(st.lists(st.floats(-100, 100)).map(sorted))
def test_places_are_apart_in_order_and_moved_no_further_than_they_must(places: list[float]) -> None:
    moved = move_apart(places, 7.0)
    for one, other in itertools.pairwise(moved):
        assert other - one >= 7.0 - 1e-9
    for number, (own, place) in enumerate(zip(places, moved, strict=True)):
        assert place == own or place == moved[number - 1] + 7.0


def test_what_is_apart_stays() -> None:
    assert move_apart([1.0, 10.0, 30.0], 7.0) == [1.0, 10.0, 30.0]
    assert move_apart([], 7.0) == []


def test_names_of_a_side_move_apart_and_the_sides_do_not_mind_each_other() -> None:
    points = [
        NamedPoint("upper", 1.0, 50.5, is_left=False),
        NamedPoint("lower", 1.0, 50.0, is_left=False),
        NamedPoint("far", 1.0, 90.0, is_left=False),
        NamedPoint("left", 1.0, 50.2, is_left=True),
    ]
    with plot_style():
        axes = new_figure(300, 200).add_subplot()
        axes.set_ylim(0, 100)
        write_names(axes, points, height=200)
    texts = {text.get_text(): text for text in axes.texts}
    assert texts["upper"].get_position() == pytest.approx((GAP, LINE - 1.0))
    assert texts["lower"].get_position() == texts["far"].get_position() == (GAP, 0)
    assert texts["left"].get_position() == (-GAP, 0)
    assert texts["upper"].xy == (1.0, 50.5)
    assert texts["left"].get_ha() == "right"
