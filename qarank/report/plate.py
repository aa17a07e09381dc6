"""A plate: panels that belong together, under one legend and over one caption.

What is on it is said once; the page sets each panel as a drawing of its own that finds its place
on any screen, a PNG has them all.
"""

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from qarank.report.marks import Mark
from qarank.report.plot_style import FONT_SIZE, new_figure, plot_style, to_png

WIDTH, HEIGHT = 430.0, 285.0  # of a panel that asks for nothing else
LETTER_WIDTH = 0.62 * FONT_SIZE  # about
LONGEST_LABEL = 70  # letters in a line of a legend
HANDLE_WIDTH, LINE_HEIGHT = 45.0, 1.6 * FONT_SIZE


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        name: unique on the page, fit for an id.
        label: what it shows, in words.
        paint: draws into axes that are empty, in `plot_style`.
        width: units, as in plot_style.
        height: units.
    """

    name: str
    label: str
    paint: Callable[[Axes], None]
    width: float = WIDTH
    height: float = HEIGHT

    def draw(self) -> Figure:
        """The panel alone."""
        figure = new_figure(self.width, self.height)
        self.paint(figure.add_subplot())
        return figure


@dataclass(frozen=True)
class Plate:
    """Panels that belong together.

    Attributes:
        caption: what is to be seen, a sentence or two.
        panels: one at least.
        legend: label and mark of each series.
        title: above the panels; empty where they say all.
        columns: panels beside each other, where there is room.
    """

    caption: str
    panels: Sequence[Panel]
    legend: Sequence[tuple[str, Mark]] = ()
    title: str = ""
    columns: int = 2


def draw_plates(plates: Sequence[Plate]) -> bytes:
    """Plates below each other, a PNG; one at least."""
    with plot_style():
        heights = [_height(plate) for plate in plates]
        width = max(_panels_width(plate) for plate in plates)
        figure = new_figure(width, sum(heights))
        parts = figure.subfigures(len(plates), 1, height_ratios=heights, squeeze=False)
        for part, plate in zip(parts[:, 0], plates, strict=True):
            _draw_plate(part, plate, width)
        return to_png(figure)


def _draw_plate(part: SubFigure, plate: Plate, width: float) -> None:
    rows = _rows(plate)
    heights = [max(panel.height for panel in row) for row in rows]
    axes = part.subplots(len(rows), len(rows[0]), squeeze=False, height_ratios=heights)
    for places in axes.flat[len(plate.panels) :]:
        places.set_axis_off()
    for panel, place in zip(plate.panels, axes.flat, strict=False):
        panel.paint(place)
    if plate.title:
        part.suptitle(plate.title, x=0.012, ha="left", fontsize=FONT_SIZE + 3)
    if plate.legend:
        part.legend(
            [mark.handle() for _, mark in plate.legend],
            _labels(plate),
            loc="outside lower left",
            ncols=_legend_columns(plate, width),
        )


def _rows(plate: Plate) -> list[list[Panel]]:
    panels = list(plate.panels)
    return [panels[at : at + plate.columns] for at in range(0, len(panels), plate.columns)]


def _panels_width(plate: Plate) -> float:
    return max(sum(panel.width for panel in row) for row in _rows(plate))


def _height(plate: Plate) -> float:
    panels = sum(max(panel.height for panel in row) for row in _rows(plate))
    lines = sum(label.count("\n") + 1 for label in _labels(plate))
    legend = math.ceil(lines / _legend_columns(plate, _panels_width(plate))) * LINE_HEIGHT
    return panels + (legend + LINE_HEIGHT if plate.legend else 0) + (30 if plate.title else 0)


def _labels(plate: Plate) -> list[str]:
    return [textwrap.fill(label, LONGEST_LABEL) for label, _ in plate.legend]


def _legend_columns(plate: Plate, width: float) -> int:
    lines = [line for label in _labels(plate) for line in label.splitlines()]
    longest = max(map(len, lines), default=0) * LETTER_WIDTH + HANDLE_WIDTH
    return max(1, min(int(width / longest), len(plate.legend) or 1))
