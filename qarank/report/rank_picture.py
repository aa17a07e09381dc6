"""A picture of runs: where the ranks stand and, where there were rounds, how they came there.

Dims: matrices; rounds: of one run.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from qarank.report.rank_grid import arrange_ranks
from qarank.report.rank_map import (
    CELL_HEIGHT,
    CELL_WIDTH,
    COLOURS,
    DPI,
    FONT_SIZE,
    LETTER_WIDTH,
    paint_rank_map,
)
from qarank.report.trajectory import RoundFigures
from qarank.report.trajectory_curves import Trajectory, name_axes

WIDEST, NARROWEST = 1600.0, 900.0  # pixels
CURVES_HEIGHT = 260.0  # pixels
CURVES_WIDTHS = (4, 4, 2)  # totals, means, their names
MATRIX_HEIGHT, MATRICES_HEIGHTS = 7.0, (150.0, 560.0)  # pixels: of a row, and the least and most
MOST_RUNS = 40  # a picture may be 65,535 pixels high


@dataclass(frozen=True)
class DrawnRun:
    """One run, as the picture has it.

    Attributes:
        title: above its map.
        ranks: path -> triplets kept.
        r: triplets at the start, the top of the scale.
        kinds: path -> kind of matrix.
        rounds: the earliest first; may be empty.
        last_step: the step that the last round's ranks are known to have stood until.
    """

    title: str
    ranks: Mapping[str, int]
    r: int
    kinds: Mapping[str, str]
    rounds: Sequence[RoundFigures] = field(default_factory=list)
    last_step: int | None = None


def draw_runs(runs: Sequence[DrawnRun]) -> bytes:
    """The runs below each other, as a PNG.

    Args:
        runs: 1..MOST_RUNS, each with a matrix at least.
    """
    heights = [sum(_heights(run)) for run in runs]
    figure = Figure(
        figsize=(max(map(_width, runs)) / DPI, sum(heights) / DPI), dpi=DPI, layout="constrained"
    )
    parts = figure.subfigures(len(runs), 1, height_ratios=heights, squeeze=False)
    for part, run in zip(parts[:, 0], runs, strict=True):
        _draw_run(part, run, figure.get_figwidth() * DPI)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _heights(run: DrawnRun) -> list[float]:
    """Of the map, two rows of curves and the matrices, pixels; of the map alone without rounds."""
    rows = len(arrange_ranks(run.ranks).kinds)
    least, most = MATRICES_HEIGHTS
    of_matrices = min(max(MATRIX_HEIGHT * len(run.ranks) + 70, least), most)
    return [
        CELL_HEIGHT * rows + 90,
        *([CURVES_HEIGHT, CURVES_HEIGHT, of_matrices] if run.rounds else []),
    ]


def _width(run: DrawnRun) -> float:
    grid = arrange_ranks(run.ranks)
    needed = LETTER_WIDTH * max(map(len, grid.kinds)) + CELL_WIDTH * len(grid.layers) + 80
    return min(max(needed, LETTER_WIDTH * len(run.title) + 40, NARROWEST), WIDEST)


def _draw_run(part: SubFigure, run: DrawnRun, width: float) -> None:
    grid = arrange_ranks(run.ranks)
    heights = _heights(run)
    part.suptitle(run.title, fontsize=FONT_SIZE + 1)
    cells = part.add_gridspec(len(heights), 3, height_ratios=heights, width_ratios=CURVES_WIDTHS)
    labels = LETTER_WIDTH * max(map(len, grid.kinds))
    cell = (width - labels - 80) / len(grid.layers)
    paint_rank_map(part.add_subplot(cells[0, :]), grid, r=run.r, cell=cell)
    if run.rounds:
        curves = Trajectory(run.rounds, run.kinds, r=run.r, last_step=run.last_step)
        curves.paint_totals(part.add_subplot(cells[1, 0]))
        curves.paint_means(part.add_subplot(cells[1, 1]), part.add_subplot(cells[1, 2]))
        curves.paint_revivals(part.add_subplot(cells[2, 0]))
        curves.paint_cut(part.add_subplot(cells[2, 1]), part.add_subplot(cells[2, 2]))
        _draw_matrices(part.add_subplot(cells[3, :]), run, end=curves.end)


def _draw_matrices(axes: Axes, run: DrawnRun, *, end: int) -> None:
    """A row a matrix, sorted by kind, from left to right what each round left it until the end."""
    paths = sorted(run.kinds, key=lambda path: list(run.kinds.values()).index(run.kinds[path]))
    ranks = np.array([[each.ranks[path] for each in run.rounds] for path in paths])
    edges = np.array([*(each.global_step for each in run.rounds), end])
    axes.pcolormesh(
        edges, np.arange(len(paths) + 1), ranks, cmap=COLOURS, vmin=0, vmax=max(run.r, 1)
    )
    axes.invert_yaxis()
    rows: dict[str, list[int]] = {}
    for row, path in enumerate(paths):
        rows.setdefault(run.kinds[path], []).append(row)
    axes.set_yticks([(group[0] + group[-1] + 1) / 2 for group in rows.values()], list(rows))
    for group in list(rows.values())[1:]:
        axes.axhline(group[0], color="white", linewidth=1.5)
    name_axes(axes, "each matrix over the rounds, by kind, the first layer on top")
    axes.tick_params(axis="y", length=0)
