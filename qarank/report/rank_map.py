"""A heat map of the ranks that the adapted matrices keep.

Dims: rows: kinds of matrix; columns: layers; height, width: of the picture, in pixels.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from qarank.report.colour_scale import colour_at, letters_on
from qarank.report.rank_grid import RankGrid, arrange_ranks

DPI = 100
NARROWEST_CELL, CELL_WIDTH, CELL_HEIGHT = 5.0, 22.0, 24.0  # pixels
CELLS_WIDTH = 1200.0  # pixels; more layers get narrower cells
BAR_WIDTH = 12.0  # pixels
FONT_SIZE = 9.0  # points
LETTER_WIDTH = 7.5  # pixels, about, at that size
NO_MATRIX = "#d9d9d9"
COLOURS = LinearSegmentedColormap.from_list("ranks", [colour_at(i / 32) for i in range(33)])


def draw_rank_map(ranks: Mapping[str, int], *, r: int, title: str) -> np.ndarray:
    """Draw kinds of matrix against layers, coloured from rank 0 to r.

    Args:
        ranks: path of a matrix -> triplets kept, 0..r; at least one.
        r: triplets at the start.
        title: above the map.

    Returns:
        (height, width, 3) uint8. Each cell has its rank written in, if there is room.
    """
    grid = arrange_ranks(ranks)
    rows, columns = grid.ranks.shape
    # As narrow as that: TensorBoard shrinks what is wider than a card, letters and all.
    cell = min(max(CELLS_WIDTH / columns, NARROWEST_CELL), max(number_width(r), CELL_WIDTH))
    labels = LETTER_WIDTH * max(map(len, grid.kinds))
    width = max(labels + cell * columns + 80, LETTER_WIDTH * len(title) + 40)
    height = CELL_HEIGHT * rows + 90
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=FONT_SIZE + 1)
    paint_rank_map(figure.add_subplot(), grid, r=r, cell=cell)
    return paint(figure)


def paint_rank_map(axes: Axes, grid: RankGrid, *, r: int, cell: float) -> None:
    """Draw into axes of a figure that lays itself out.

    Args:
        axes: empty.
        grid: the ranks, 0..r.
        r: the top of the scale.
        cell: width of a cell, pixels; decides what is written in.
    """
    axes.set_facecolor(NO_MATRIX)
    shown = np.ma.masked_invalid(grid.ranks)
    gap = min(0.8, cell / 30)  # points
    mesh = axes.pcolormesh(
        shown, cmap=COLOURS, vmin=0, vmax=max(r, 1), edgecolors="white", linewidth=gap
    )
    _name_rows_and_columns(axes, grid, cell)
    if cell >= number_width(r):
        _write_ranks(axes, grid, max(r, 1))
    aspect = len(grid.kinds) * CELL_HEIGHT / BAR_WIDTH
    bar = axes.figure.colorbar(mesh, ax=axes, ticks=[0, max(r, 1)], pad=0.01, aspect=aspect)
    bar.ax.tick_params(labelsize=FONT_SIZE, length=0)
    bar.outline.set_visible(False)


def number_width(r: int) -> float:
    """Pixels of the widest rank, and some room."""
    return LETTER_WIDTH * len(str(r)) + 5


def _name_rows_and_columns(axes: Axes, grid: RankGrid, cell: float) -> None:
    """Name all rows, from the top, and as many columns as fit, cell pixels each."""
    rows, columns = grid.ranks.shape
    needed = LETTER_WIDTH * max(map(len, grid.layers)) + 5
    fitting = (count for count in (1, 2, 5, 10, 20, 50) if count * cell >= needed)
    every = next(fitting, columns)
    axes.invert_yaxis()
    axes.set_yticks(np.arange(rows) + 0.5, grid.kinds)
    axes.set_xticks(np.arange(0, columns, every) + 0.5, grid.layers[::every])
    axes.set_xlabel("layer", fontsize=FONT_SIZE)
    axes.tick_params(labelsize=FONT_SIZE, length=0)
    axes.spines[:].set_visible(False)


def _write_ranks(axes: Axes, grid: RankGrid, r: int) -> None:
    for (row, column), rank in np.ndenumerate(grid.ranks):
        if np.isfinite(rank):
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{rank:.0f}",
                color=letters_on(colour_at(rank / r)),
                fontsize=FONT_SIZE,
                ha="center",
                va="center",
            )


def paint(figure: Figure) -> np.ndarray:
    """(height, width, 3) uint8, by no window and no global state."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    rgba = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    return np.asarray(rgba)[..., :3].copy()
