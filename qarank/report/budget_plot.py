"""A figure against the budget: a line a method, a point a group, rings for what is published."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes

from qarank.report.cells import as_published, count, spread
from qarank.report.log_axis import log_limits, make_log
from qarank.report.marks import Mark
from qarank.report.plot_style import FONT_SIZE, set_tip
from qarank.report.study import Group, Published
from qarank.report.theme import MUTED, PAPER

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
NAME_GAP = 12.0  # units from a point to its name
LEVEL_MARKS, BAND_ALPHA = (0.0, 0.04, 0.96, 1.0), 0.12  # along the axis, of a level line
SEEDS_STYLE: dict[str, Any] = {
    "linestyle": "None",
    "marker": "o",
    "markersize": 3.5,
    "markeredgewidth": 0,
    "alpha": 0.55,
    "zorder": 3.5,
}


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
        for method in self.methods:
            groups = [group for group in self.groups if group.method == method]
            self._paint_order(axes, [group for group in groups if group.budget])
            for group in groups:
                self._paint_group(axes, group)
                if group.published:
                    self._paint_published(axes, group, group.published)
        axes.margins(y=0.1)

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

    def _paint_order(self, axes: Axes, groups: Sequence[Group]) -> None:
        """Join the groups of a method; where several share a budget, name them instead."""
        places = sorted((self._place(group), group.figures[self.key].mean) for group in groups)
        if len({place for place, _ in places}) < len(places):
            for group in groups:
                self._name_group(axes, group)
        elif len(places) > 1:
            mark = self.marks[groups[0].method]
            axes.plot(*zip(*places, strict=True), color=mark.colour, linestyle=mark.dash, zorder=2)

    def _name_group(self, axes: Axes, group: Group) -> None:
        """Write its name beside its point, the first methods' to the left."""
        is_left = self.methods.index(group.method) < (len(self.methods) - 1) / 2
        axes.annotate(
            group.name,
            (self._place(group), group.figures[self.key].mean),
            xytext=(-NAME_GAP if is_left else NAME_GAP, 0),
            textcoords="offset points",
            ha="right" if is_left else "left",
            va="center_baseline",
            color=MUTED.light,
            fontsize=FONT_SIZE - 2,
            bbox={"facecolor": PAPER.light, "linewidth": 0, "pad": 1},  # hides the grid
        )

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
