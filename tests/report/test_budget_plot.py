from collections.abc import Sequence

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from qarank.report.budget_plot import BudgetPlot
from qarank.report.marks import mark_all
from qarank.report.plot_style import TIP, new_figure, plot_style
from qarank.report.study import Published, Results, Row
from qarank.report.theme import PAPER
from tests.report.studies import COST, gather, make_row

LORA = [make_row(f"lora_r{r}", "frd", seed, r=r) for r in (2, 8) for seed in range(3)]
ADA = [make_row(f"ada_r{r}", "svd + adalora", r=r) for r in (2, 8)]
BUDGET = 8 * 16 * COST


def paint(results: Results, key: str = "f1") -> Axes:
    marks = mark_all(row.method for row in results.study.rows)
    with plot_style():
        axes = new_figure(300, 200).add_subplot()
        BudgetPlot(results.groups, marks, key).paint(axes)  # type: ignore[arg-type]
    return axes


def tips(axes: Axes) -> dict[str, Line2D]:
    """What is told of a point -> the point."""
    lines = {str(line.get_gid()): line for line in axes.lines}
    return {key.removeprefix(TIP): line for key, line in lines.items() if key.startswith(TIP)}


def point_of(axes: Axes, name: str) -> Line2D:
    (line,) = (line for tip, line in tips(axes).items() if tip.startswith(name))
    return line


def has_line(axes: Axes, points: Sequence[float]) -> bool:
    """Whether one line has these values and no others."""
    drawn = [np.asarray(line.get_ydata()).tolist() for line in axes.lines]
    return any(values == pytest.approx(list(points)) for values in drawn)


def test_each_group_is_a_point_at_its_budget_and_its_mean() -> None:
    results = gather(LORA)
    axes = paint(results)
    assert axes.get_xscale() == "log"
    for group in results.groups:
        point = point_of(axes, group.name)
        assert point.get_xdata() == pytest.approx([group.budget])
        assert point.get_ydata() == pytest.approx([group.figures["f1"].mean])


def test_em_is_drawn_of_em() -> None:
    results = gather(LORA)
    point = point_of(paint(results, "exact"), "lora_r8")
    assert point.get_ydata() == pytest.approx([results.groups[1].figures["exact"].mean])


def test_the_bar_is_one_deviation_to_either_side_and_each_seed_is_a_dot() -> None:
    results = gather(LORA)
    axes = paint(results)
    for group in results.groups:
        figure = group.figures["f1"]
        assert figure.sd is not None
        assert has_line(axes, [figure.mean - figure.sd, figure.mean + figure.sd])
        assert has_line(axes, figure.values)


def test_one_seed_has_no_bar_and_no_dots() -> None:
    axes = paint(gather(ADA))
    assert len(axes.lines) == 3, "two points and the line between them"


def test_a_line_joins_the_groups_of_a_method_by_budget() -> None:
    results = gather([*reversed(ADA), *LORA])
    axes = paint(results)
    means = {group.name: group.figures["f1"].mean for group in results.groups}
    assert has_line(axes, [means["ada_r2"], means["ada_r8"]])
    assert has_line(axes, [means["lora_r2"], means["lora_r8"]])


@pytest.mark.parametrize("share", [1.0, 1.009])
def test_groups_of_a_method_at_one_budget_are_named_and_not_joined(share: float) -> None:
    other = make_row("fast", "frd", budget=round(BUDGET * share))
    axes = paint(gather([make_row("slow", "frd"), other]))
    assert {text.get_text() for text in axes.texts} == {"slow", "fast"}
    assert len(axes.lines) == 2


def test_methods_at_one_budget_stand_apart_and_around_it() -> None:
    axes = paint(gather([make_row("one", "frd"), make_row("other", "svd")]))
    first, second = (float(point_of(axes, name).get_xdata()[0]) for name in ("one", "other"))
    assert first < BUDGET < second < 1.1 * first


def test_published_figures_are_rings_in_the_methods_colour_with_their_source() -> None:
    published = {"lora_r8": Published("table 2", 60.5, 64.5), "lora_r2": Published("t", 50.5, None)}
    axes = paint(gather(LORA, published))
    ring, point = point_of(axes, "lora_r8, published"), point_of(axes, "lora_r8:")
    assert ring.get_ydata() == pytest.approx([64.5])
    assert ring.get_xdata() == pytest.approx(point.get_xdata())
    assert to_hex(ring.get_markerfacecolor()) == PAPER.light
    assert ring.get_markeredgecolor() == point.get_color()
    assert any(tip.endswith("F1 64.5 (table 2)") for tip in tips(axes))
    assert not any(tip.startswith("lora_r2, published") for tip in tips(axes)), "no F1 of it"


@pytest.mark.parametrize("budget", [None, 0])
def test_a_method_without_triplets_is_a_level_line(budget: int | None) -> None:
    heads = [make_row("head", "none", seed, budget=budget) for seed in range(2)]
    results = gather([*LORA, *heads], {"head": Published("t", 1.0, 55.0)})
    axes = paint(results)
    level = point_of(axes, "head:")
    assert level.get_ydata() == pytest.approx([results.groups[-1].figures["f1"].mean] * 4)
    assert (min(level.get_xdata()), max(level.get_xdata())) == (0, 1), "of the axis"
    assert point_of(axes, "head, published").get_ydata() == pytest.approx([55.0])
    low, high = axes.get_xlim()
    assert low < 2 * 16 * COST and high > BUDGET, "the others decide the axis"


def test_methods_without_triplets_alone_have_no_axis_of_budgets() -> None:
    rows: list[Row] = [make_row("head", "none"), make_row("full", "full")]
    axes = paint(gather(rows))
    assert len(tips(axes)) == 2
    assert (axes.get_xlabel(), len(axes.get_xticks())) == ("", 0)
