"""Which colour, marker and dash stands for which method or group.

Never by colour alone: a marker comes with each, and a dash once the colours are used up.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.lines import Line2D

from qarank.report.study import Row
from qarank.report.theme import MUTED, PAPER, SERIES

MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.2, 1.6)), (0, (5, 1.6, 1.2, 1.6)))
MARKER_SIZE = 6.5
MARKERS_A_LINE = 6
MOST_TOGETHER = len(SERIES)


@dataclass(frozen=True)
class Mark:
    """How a series is drawn.

    Attributes:
        colour: #rrggbb, of the light theme.
        marker: matplotlib's letter; empty for none.
        dash: matplotlib's line style.
        is_hollow: whether markers are rings.
    """

    colour: str
    marker: str = ""
    dash: Any = "-"
    is_hollow: bool = False

    def style(self) -> dict[str, Any]:
        """Arguments of Line2D."""
        return {
            "color": self.colour,
            "linestyle": self.dash,
            "marker": self.marker,
            "markersize": MARKER_SIZE,
            "markeredgewidth": 1.4 if self.is_hollow else 0.8,
            "markerfacecolor": PAPER.light if self.is_hollow else self.colour,
            "markeredgecolor": self.colour if self.is_hollow else PAPER.light,
        }

    def curve_style(self, num_points: int, place: int) -> dict[str, Any]:
        """Arguments of a Line2D of many points, a few of which show the marker.

        Args:
            num_points: of the curve.
            place: of the mark; curves that lie together show their markers at other points.
        """
        every = max(1, math.ceil(num_points / MARKERS_A_LINE))
        thin = {"linewidth": 1.3, "markersize": 4.5, "markeredgewidth": 0.4}
        return {**self.style(), **thin, "markevery": (place * every // MOST_TOGETHER, every)}

    def handle(self) -> Line2D:
        """A piece of the series, for a legend."""
        return Line2D([0, 0.5, 1], [0, 0, 0], markevery=[1], **self.style())


PUBLISHED = Mark(MUTED.light, "o", "None", is_hollow=True)


def mark_at(place: int) -> Mark:
    """The mark of the series that stands there, 0 first."""
    turn = place // len(SERIES) % len(DASHES)
    return Mark(SERIES[place % len(SERIES)].light, MARKERS[place % len(MARKERS)], DASHES[turn])


def mark_all(names: Iterable[str]) -> dict[str, Mark]:
    """Name -> mark, in the order the names first stand in."""
    return {name: mark_at(place) for place, name in enumerate(dict.fromkeys(names))}


@dataclass(frozen=True)
class Facet:
    """Groups whose curves are drawn into the same axes.

    Attributes:
        title: the method; empty where all groups are together.
        marks: group -> mark.
    """

    title: str
    marks: Mapping[str, Mark]


def arrange_facets(rows: Sequence[Row]) -> list[Facet]:
    """All groups of the rows together, or by method where they are more than there are colours."""
    methods = {row.group: row.method for row in rows}
    if len(methods) <= MOST_TOGETHER:
        return [Facet("", mark_all(methods))] if methods else []
    return [
        Facet(method, mark_all(group for group, of in methods.items() if of == method))
        for method in dict.fromkeys(methods.values())
    ]
