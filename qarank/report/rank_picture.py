"""A picture of runs: where the ranks stand and, where there were rounds, how they came there.

Dims: matrices; rounds: of one run.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

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
from qarank.report.trajectory import RoundFigures, mean_by_kind

WIDEST, NARROWEST = 1600.0, 900.0  # pixels
CURVES_HEIGHT = 260.0  # pixels
CURVES_WIDTHS = (4, 4, 2)  # totals, means, their names
DASHES = ("-", "--", ":", "-.")
MOST_NAMES = 24  # that fit beside the curves
MATRIX_HEIGHT, MATRICES_HEIGHTS = 7.0, (150.0, 700.0)  # pixels: of a row, and the least and most
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
    """

    title: str
    ranks: Mapping[str, int]
    r: int
    kinds: Mapping[str, str]
    rounds: Sequence[RoundFigures] = field(default_factory=list)


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
    """Of the map, the curves and the matrices, pixels; of the map alone without rounds."""
    rows = len(arrange_ranks(run.ranks).kinds)
    least, most = MATRICES_HEIGHTS
    of_matrices = min(max(MATRIX_HEIGHT * len(run.ranks) + 70, least), most)
    return [CELL_HEIGHT * rows + 90, *([CURVES_HEIGHT, of_matrices] if run.rounds else [])]


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
        _draw_totals(part.add_subplot(cells[1, 0]), run)
        _draw_means(part.add_subplot(cells[1, 1]), part.add_subplot(cells[1, 2]), run)
        _draw_matrices(part.add_subplot(cells[2, :]), run)


def _draw_totals(axes: Axes, run: DrawnRun) -> None:
    steps = [each.global_step for each in run.rounds]
    totals = [each.triplets for each in run.rounds]
    axes.step(steps, totals, where="post", color=COLOURS(0.9))
    axes.plot(steps, totals, ".", markersize=4, color=COLOURS(0.9))
    axes.axhline(run.r * len(run.ranks), linestyle=":", linewidth=1, color="#888888")
    axes.set_ylim(bottom=0)
    _show_single(axes, steps)
    _name(axes, "triplets kept (dotted: at the start)")


def _draw_means(axes: Axes, beside: Axes, run: DrawnRun) -> None:
    """A curve a kind, and their names in axes of their own."""
    steps = [each.global_step for each in run.rounds]
    means = [mean_by_kind(each.ranks, run.kinds) for each in run.rounds]
    for number, kind in enumerate(means[0]):
        dash = DASHES[number // 10 % len(DASHES)]  # after ten colours
        curve = [mean[kind] for mean in means]
        marker = "." if len(steps) == 1 else ""  # a step curve of one point is nothing
        axes.step(steps, curve, dash, where="post", label=kind, marker=marker)
    axes.set_ylim(bottom=0)
    _show_single(axes, steps)
    _name(axes, "mean rank by kind")
    beside.set_axis_off()
    if len(means[0]) <= MOST_NAMES:
        lines, names = axes.get_legend_handles_labels()
        beside.legend(lines, names, fontsize=FONT_SIZE - 2, frameon=False, loc="center left")


def _draw_matrices(axes: Axes, run: DrawnRun) -> None:
    """A row a matrix, sorted by kind, from left to right what each round left it."""
    paths = sorted(run.kinds, key=lambda path: list(run.kinds.values()).index(run.kinds[path]))
    ranks = np.array([[each.ranks[path] for each in run.rounds] for path in paths])
    steps = [each.global_step for each in run.rounds]
    after = steps[-1] + (steps[-1] - steps[-2] if len(steps) > 1 else 1)
    edges = np.array([*steps, after])
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
    _name(axes, "each matrix over the rounds, by kind, the first layer on top")
    axes.tick_params(axis="y", length=0)


def _show_single(axes: Axes, steps: Sequence[int]) -> None:
    """Leave a lone round some room, so that its step is the one whole number shown."""
    if len(steps) == 1:
        axes.set_xlim(steps[0] - 1, steps[0] + 1)


def _name(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=FONT_SIZE)
    axes.set_xlabel("step", fontsize=FONT_SIZE)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.tick_params(labelsize=FONT_SIZE)
    axes.spines[["top", "right"]].set_visible(False)
