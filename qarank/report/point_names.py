"""Names beside points that stand above each other, moved apart so that each can be read."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from qarank.report.plot_style import FONT_SIZE
from qarank.report.theme import MUTED, PAPER

GAP = 12.0  # units from a point to its name
LINE = 12.0  # units from a name to the next one above it


@dataclass(frozen=True)
class NamedPoint:
    """A point with a name.

    Attributes:
        name: to write.
        x: in the axes' data.
        y: the same.
        is_left: whether the name stands left of the point.
    """

    name: str
    x: float
    y: float
    is_left: bool


def write_names(axes: Axes, points: Sequence[NamedPoint], *, height: float) -> None:
    """Write the names into axes that are drawn else and have their limits.

    Args:
        axes: to write into.
        points: in any order.
        height: of the axes, units, about.
    """
    low, high = axes.get_ylim()
    for side in (True, False):
        mine = sorted((each for each in points if each.is_left is side), key=lambda each: each.y)
        heights = [(each.y - low) / (high - low) * height for each in mine]
        for point, own, apart in zip(mine, heights, move_apart(heights, LINE), strict=True):
            _write_name(axes, point, apart - own)


def move_apart(places: Sequence[float], gap: float) -> list[float]:
    """Places of which none is nearer than the gap to the one before it.

    Args:
        places: ascending; each is moved up as far as it must be and no further.
        gap: the least between two.
    """
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + gap) if moved else place)
    return moved


def _write_name(axes: Axes, point: NamedPoint, raised: float) -> None:
    axes.annotate(
        point.name,
        (point.x, point.y),
        xytext=(-GAP if point.is_left else GAP, raised),
        textcoords="offset points",
        ha="right" if point.is_left else "left",
        va="center_baseline",
        color=MUTED.light,
        fontsize=FONT_SIZE - 2,
        bbox={"facecolor": PAPER.light, "linewidth": 0, "pad": 0.5},  # hides the grid
    )
