"""Lines over the steps, one a run, marked by their group."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from qarank.report.log_axis import short_number
from qarank.report.marks import Mark
from qarank.report.plot_style import set_tip
from qarank.report.study import Row
from qarank.report.trajectory import thin

MOST_POINTS = 300  # of a line; a plot has no pixels for more
ROOM = 1.02


@dataclass(frozen=True)
class RunLine:
    """One run's figures.

    Attributes:
        row: the run.
        points: global step and value, the earliest first; one at least.
    """

    row: Row
    points: Sequence[tuple[int, float]]


def values_of(lines: Sequence[RunLine]) -> list[float]:
    """All their values."""
    return [value for line in lines for _, value in line.points]


def last_step_of(lines: Iterable[RunLine]) -> int:
    """The last step of any of them."""
    return max(step for line in lines for step, _ in line.points)


def paint_lines(
    axes: Axes,
    lines: Sequence[RunLine],
    marks: Mapping[str, Mark],
    last_step: int,
    drawstyle: Literal["default", "steps-post"] = "default",
) -> None:
    """Draw lines into axes.

    Args:
        axes: empty.
        lines: one at least.
        marks: group -> mark.
        last_step: where the axis ends.
        drawstyle: steps-post holds a value until the next one.
    """
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(short_number)
    axes.set_xlim(0, ROOM * last_step)
    places = list(marks)
    for line in lines:
        points = thin(line.points, MOST_POINTS)
        style = marks[line.row.group].curve_style(len(points), places.index(line.row.group))
        (drawn,) = axes.plot(*zip(*points, strict=True), drawstyle=drawstyle, **style)
        set_tip(drawn, line.row.point)
