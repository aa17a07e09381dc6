"""Where the groups of a sweep put their rank: a map of each, mean over its seeds.

Dims: rows: kinds of matrix; columns: layers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from qarank.report.plate import LETTER_WIDTH, Panel, Plate
from qarank.report.plot_style import FONT_SIZE, set_tip
from qarank.report.rank_grid import RankGrid, arrange_ranks
from qarank.report.study import Row, Study
from qarank.report.theme import LEVELS, MUTED, letters_of, level_of

CELL_HEIGHT, GAP = 24.0, 0.04  # units; share of a cell
NARROWEST, WIDEST = 14.0, 46.0  # of a cell
CELLS_WIDTH = 640.0  # more layers get narrower cells
FRAME_WIDTH, FRAME_HEIGHT = 40.0, 92.0  # around the cells: names, title, key
KEY_ROWS, KEY_HEIGHT, KEY_STEP = 0.9, 0.4, 7.0  # rows below the map, of a row, units a level
TEXT_STYLE: dict[str, Any] = {"va": "center_baseline", "fontsize": FONT_SIZE - 1}
CAPTION = (
    "Triplets kept by each matrix, mean over the seeds of the group. The colours of a map run from "
    "none to the most that a matrix in it keeps."
)


@dataclass(frozen=True)
class MeanRanks:
    """The ranks of a group.

    Attributes:
        group: its name.
        seeds: finished runs.
        ranks: matrix -> mean of the triplets kept.
    """

    group: str
    seeds: int
    ranks: Mapping[str, float]


def plan_rank_plate(study: Study) -> Plate | None:
    """A map for each group with triplets to choose among; None without one."""
    found = average_ranks(study)
    panels = []
    for number, mean in enumerate(found):
        plot = RankPlot(mean)
        label = f"{mean.group}: mean ranks of {len(mean.ranks)} matrices by kind and layer"
        panels.append(Panel(f"ranks-{number}", label, plot.paint, plot.width, plot.height))
    return Plate(CAPTION, panels, columns=1) if panels else None


def average_ranks(study: Study) -> list[MeanRanks]:
    """The mean ranks of each svd group and each group with an allocator, of its finished runs."""
    means = []
    for name, rows in study.groups.items():
        chosen = [row.ranks for row in rows if row.ranks and _may_differ(row)]
        if chosen:
            paths = dict.fromkeys(path for ranks in chosen for path in ranks)
            ranks = {path: _mean([r[path] for r in chosen if path in r]) for path in paths}
            means.append(MeanRanks(name, len(chosen), ranks))
    return means


def _may_differ(row: Row) -> bool:
    return row.method.startswith("svd") or row.start_budget is not None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


class RankPlot:
    """The map of a group, its numbers in the cells where they fit."""

    def __init__(self, mean: MeanRanks) -> None:
        self.mean, self.grid = mean, arrange_ranks(mean.ranks)
        self.top = max(mean.ranks.values()) or 1.0
        rows, columns = self.grid.ranks.shape
        self.cell = min(max(CELLS_WIDTH / columns, NARROWEST), WIDEST)
        self.names_width = LETTER_WIDTH * max(map(len, self.grid.kinds))
        self.width = self.names_width + self.cell * columns + FRAME_WIDTH
        self.height = CELL_HEIGHT * (rows + KEY_ROWS) + FRAME_HEIGHT

    def paint(self, axes: Axes) -> None:
        """Draw into empty axes."""
        rows, columns = self.grid.ranks.shape
        seeds = f"{self.mean.seeds} seeds" if self.mean.seeds > 1 else "one seed"
        axes.set_title(f"{self.mean.group} ({seeds})", x=0, pad=10)
        axes.set_xlim(0, columns)
        axes.set_ylim(rows + KEY_ROWS, 0)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        _name_cells(axes, self.grid, self.cell)
        for (row, column), rank in np.ndenumerate(self.grid.ranks):
            if np.isfinite(rank):
                self._paint_cell(axes, row, column, rank)
        self._paint_key(axes, columns, rows + KEY_ROWS - KEY_HEIGHT)

    def _paint_cell(self, axes: Axes, row: int, column: int, rank: float) -> None:
        level = level_of(rank / self.top)
        corner = (column + GAP / 2, row + GAP / 2)
        cell = Rectangle(corner, 1 - GAP, 1 - GAP, facecolor=level.light, linewidth=0)
        text = show_rank(rank)
        set_tip(cell, f"{self.grid.kinds[row]}, layer {self.grid.layers[column]}: {text}")
        axes.add_patch(cell)
        longest = max(len(show_rank(rank)) for rank in self.mean.ranks.values())
        if longest * LETTER_WIDTH * 0.9 + 3 <= self.cell:
            axes.text(
                column + 0.5,
                row + 0.52,
                text,
                color=letters_of(level).light,
                ha="center",
                **TEXT_STYLE,
            )

    def _paint_key(self, axes: Axes, columns: int, top: float) -> None:
        """The levels at the lower right, from none to the most."""
        step = KEY_STEP / self.cell
        number = show_rank(self.top)
        left = columns - (len(number) * LETTER_WIDTH + 6) / self.cell - step * len(LEVELS)
        for place, level in enumerate(LEVELS):
            corner = (left + place * step, top)
            axes.add_patch(Rectangle(corner, step, KEY_HEIGHT, color=level.light, linewidth=0))
        middle, room = top + KEY_HEIGHT / 2, 4 / self.cell
        axes.text(left - room, middle, "rank 0", ha="right", color=MUTED.light, **TEXT_STYLE)
        right = left + step * len(LEVELS)
        axes.text(right + room, middle, number, ha="left", color=MUTED.light, **TEXT_STYLE)


def show_rank(rank: float) -> str:
    """A whole rank as such, a mean with one digit."""
    return f"{rank:.0f}" if math.isclose(rank, round(rank), abs_tol=0.005) else f"{rank:.1f}"


def _name_cells(axes: Axes, grid: RankGrid, cell: float) -> None:
    """Name all rows at the left and, above, as many columns as fit."""
    rows, columns = grid.ranks.shape
    needed = LETTER_WIDTH * max(map(len, grid.layers)) + 5
    every = next((each for each in (1, 2, 5, 10, 20, 50) if each * cell >= needed), columns)
    axes.xaxis.tick_top()
    axes.set_yticks(np.arange(rows) + 0.5, grid.kinds)
    axes.set_xticks(np.arange(0, columns, every) + 0.5, grid.layers[::every])
    axes.tick_params(length=0)
    axes.annotate(
        "layer",
        (0, 1),
        xytext=(-4, 6),  # on the line of the numbers
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="baseline",
        color=MUTED.light,
        fontsize=FONT_SIZE - 1,
    )
