import math
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qarank.report.trajectory import describe_rounds
from qarank.report.trajectory_curves import NARROWEST, WIDEST, Trajectory

KINDS = {f"layer.{layer}.{kind}": kind for kind in ("query", "key", "value") for layer in (0, 1)}


def make(count: int, *, last_step: int | None = None, **keys: list[Any]) -> Trajectory:
    """As many rounds, ten steps apart; each key has a value a round."""
    given = [{key: values[i] for key, values in keys.items()} for i in range(count)]
    lines: list[dict[str, Any]] = [
        {"global_step": 10 * (i + 1), "budget": 9, "ranks": dict.fromkeys(KINDS, 2), "revived": 0}
        | given[i]
        for i in range(count)
    ]
    rounds = describe_rounds(lines, dict.fromkeys(KINDS, 8), r=3)
    return Trajectory(rounds, KINDS, r=3, last_step=last_step)


def two_axes() -> tuple[Axes, Axes]:
    figure = Figure()
    return figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)


def values_of(axes: Axes, number: int) -> tuple[list[float], list[float]]:
    line = axes.lines[number]
    return list(map(float, line.get_xdata())), list(map(float, line.get_ydata()))


@pytest.mark.parametrize(("last_step", "end"), [(70, 70), (None, 40), (30, 40), (12, 40)])
def test_the_last_round_stands_until_the_end_of_training(last_step: int | None, end: int) -> None:
    curves = make(3, last_step=last_step)
    assert curves.end == end
    axes, _ = two_axes()
    curves.paint_totals(axes)
    assert values_of(axes, 0) == ([10, 20, 30, end], [12] * 4)


@pytest.mark.parametrize("count", [2, 6, 40])
def test_curves_that_coincide_can_all_be_seen(count: int) -> None:
    axes, beside = two_axes()
    make(count).paint_means(axes, beside)
    lines = axes.lines
    assert len(lines) == 3
    widths = [line.get_linewidth() for line in lines]
    assert widths == sorted(widths, reverse=True) and len(set(widths)) == 3
    assert (widths[0], widths[-1]) == pytest.approx((WIDEST, NARROWEST))
    assert len({line.get_marker() for line in lines}) == 3
    marked = [line.get_markevery() for line in lines]
    assert all(each and max(each) < count for each in marked), "at rounds, not at the end"
    if count >= 6:
        assert not set(marked[0]) & set(marked[1])


def test_threshold_and_margin_are_those_of_the_rounds_and_a_tie_is_a_gap() -> None:
    axes, beside = two_axes()
    make(3, threshold=[1e-9, 1e-5, None], margin=[1e-10, 0.0, None]).paint_cut(axes, beside)
    assert axes.get_yscale() == "log"
    assert values_of(axes, 0)[1][:2] == [1e-9, 1e-5]
    margins = values_of(axes, 1)[1]
    assert margins[0] == 1e-10 and all(map(math.isnan, margins[1:]))
    assert "a margin of 0 or less is a gap" in axes.get_title()
    legend = beside.get_legend()
    assert legend is not None and len(legend.get_texts()) == 2


@pytest.mark.parametrize("value", [None, 0.0, float("inf"), -1.0])
def test_a_run_without_scores_to_show_has_plain_axes(value: float | None) -> None:
    axes, beside = two_axes()
    make(2, threshold=[value] * 2, margin=[value] * 2).paint_cut(axes, beside)
    assert axes.get_yscale() == "linear"


def test_revivals_stand_at_their_rounds() -> None:
    axes, _ = two_axes()
    make(3, revived=[0, 4, 1]).paint_revivals(axes)
    assert values_of(axes, 0) == ([10, 20, 30], [0, 4, 1])
    assert axes.get_ylim()[1] > 4
