"""A figure against the budget: a line a method, a point a group, rings for what is published."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes

from qarank.report.cells import as_published, count, spread
from qarank.report.comparisons import SAME_BUDGET
from qarank.report.log_axis import log_limits, make_log
from qarank.report.marks import Mark
from qarank.report.plot_style import set_tip
from qarank.report.point_names import NamedPoint, write_names
from qarank.report.study import Group, Published

Key = Literal["exact", "f1"]
NAMES: Mapping[Key, str] = {"exact": "EM", "f1": "F1"}
SIDE_STEP = 0.018  # of the axis: what methods at one budget stand apart
BAR_STYLE: dict[str, Any] = {
    "marker": "_",
    "markersize": 9,
    "markeredgewidth": 1.4,
    "linewidth": 1.4,
    "zorder": 3,
}
AXES_HEIGHT = 210.0  # units, about
LEVEL_MARKS, BAND_ALPHA = (0.0, 0.04, 0.96, 1.0), 0.12  # along the axis, of a level line
SEEDS_STYLE: dict[str, Any] = {
    "linestyle": "None",
    "marker": "o",
    "markersize": 3.5,
    "markeredgewidth": 0,
    "alpha": 0.55,
    "zorder": 3.5,
}


def share_a_budget(groups: Sequence[Group]) -> bool:
    """Whether two of them are at budgets that count as equal; each has one."""
    budgets = sorted(group.budget for group in groups if group.budget)
    return any(more - less <= SAME_BUDGET * more for less, more in itertools.pairwise(budgets))


class BudgetPlot:
    """One figure of all groups.

    Args:
        groups: with figures.
        marks: method -> mark.
        key: of the figure.
    """

    def __init__(self, groups: Sequence[Group], marks: Mapping[str, Mark], key: Key) -> None:
        self.marks, self.key = marks, key
        self.groups = [group for group in groups if key in group.figures]
        budgets = [float(group.budget) for group in self.groups if group.budget]
        self.limits = log_limits(budgets) if budgets else None
        self.methods = [name for name in marks if any(name == of.method for of in self.groups)]

    def paint(self, axes: Axes) -> None:
        """Draw into empty axes."""
        axes.set_title(f"{NAMES[self.key]}, %")
        if self.limits is None:
            axes.set_xticks([])
        else:
            make_log(axes.xaxis, self.limits)
            axes.set_xlabel("parameters of the kept triplets")
        names: list[NamedPoint] = []
        for method in self.methods:
            groups = [group for group in self.groups if group.method == method]
            adapted = [group for group in groups if group.budget]
            if share_a_budget(adapted):  # there is no order to join them in
                names += self._list_names(adapted)
            elif len(adapted) > 1:
                self._paint_line(axes, adapted)
            for group in groups:
                self._paint_group(axes, group)
                if group.published:
                    self._paint_published(axes, group, group.published)
        axes.margins(y=0.1)
        write_names(axes, names, height=AXES_HEIGHT)

    def _place(self, group: Group) -> float:
        """Where a group stands: at its budget, a step aside for its method."""
        assert group.budget
        steps = self.methods.index(group.method) - (len(self.methods) - 1) / 2
        return float(group.budget * self._aside(steps))

    def _aside(self, steps: float) -> float:
        """The factor that is so many steps to the right."""
        assert self.limits is not None
        low, high = self.limits
        return float((high / low) ** (SIDE_STEP * steps))

    def _paint_line(self, axes: Axes, groups: Sequence[Group]) -> None:
        """Join the groups of a method, of different budgets."""
        places = sorted((self._place(group), group.figures[self.key].mean) for group in groups)
        mark = self.marks[groups[0].method]
        axes.plot(*zip(*places, strict=True), color=mark.colour, linestyle=mark.dash, zorder=2)

    def _list_names(self, groups: Sequence[Group]) -> list[NamedPoint]:
        """Their names, the first methods' to the left."""
        middle = (len(self.methods) - 1) / 2
        return [
            NamedPoint(
                name=group.name,
                x=self._place(group),
                y=group.figures[self.key].mean,
                is_left=self.methods.index(group.method) < middle,
            )
            for group in groups
        ]

    def _paint_group(self, axes: Axes, group: Group) -> None:
        mark, figure = self.marks[group.method], group.figures[self.key]
        tip = f"{group.name}: {NAMES[self.key]} {spread(figure)}"
        if not group.budget:
            along = axes.get_yaxis_transform()
            level = [figure.mean] * len(LEVEL_MARKS)
            (line,) = axes.plot(LEVEL_MARKS, level, transform=along, zorder=1.5, **mark.style())
            line.set_markevery([1, 2])
            set_tip(line, f"{tip}, no triplets")
            if figure.sd:
                ends = (figure.mean - figure.sd, figure.mean + figure.sd)
                axes.axhspan(*ends, color=mark.colour, alpha=BAND_ALPHA, linewidth=0)
            return
        place = self._place(group)
        if figure.sd is not None:
            ends = (figure.mean - figure.sd, figure.mean + figure.sd)
            axes.plot([place, place], ends, color=mark.colour, **BAR_STYLE)
        if len(figure.values) > 1:
            places = [place * self._aside(0.6)] * len(figure.values)
            axes.plot(places, figure.values, color=mark.colour, **SEEDS_STYLE)
        (point,) = axes.plot(place, figure.mean, zorder=4, **mark.style())
        set_tip(point, f"{tip}, {count(group.budget)} parameters")

    def _paint_published(self, axes: Axes, group: Group, published: Published) -> None:
        value = published.exact if self.key == "exact" else published.f1
        if value is None:
            return
        mark = self.marks[group.method]
        ring = Mark(mark.colour, mark.marker, "None", is_hollow=True)
        tip = f"{group.name}, published: {NAMES[self.key]} {as_published(value)}"
        if group.budget:
            (point,) = axes.plot(self._place(group), value, zorder=5, **ring.style())
        else:  # at the right end of the group's level line
            along = axes.get_yaxis_transform()
            (point,) = axes.plot([0.97], [value], transform=along, zorder=5, **ring.style())
        set_tip(point, f"{tip} ({published.source})")
