"""How all plots of a sweep look, and the way to a file without a window or global state.

A unit of length is 1/72 inch: a point in a PNG, a pixel on the page.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from qarank.report.theme import FRAME, GRID, INK, MUTED, PAPER

UNITS_PER_INCH = 72
PNG_DPI = 160
PADDING = 6 / UNITS_PER_INCH  # around each pair of axes, inches
FONT_SIZE = 11.0
TIP = "tip:"  # starts the group id of an artist that says more on the page
STYLE: Any = {  # matplotlib types its keys
    "axes.axisbelow": True,
    "axes.edgecolor": FRAME.light,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": MUTED.light,
    "axes.labelsize": FONT_SIZE,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK.light,
    "axes.titlelocation": "left",
    "axes.titlesize": FONT_SIZE + 1,
    "axes.titleweight": "bold",
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: layouts are alike everywhere
    "font.size": FONT_SIZE,
    "grid.color": GRID.light,
    "grid.linewidth": 0.8,
    "legend.fontsize": FONT_SIZE,
    "legend.frameon": False,
    "legend.labelcolor": INK.light,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "qarank",  # the same drawing has the same ids
    "text.color": INK.light,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "xtick.color": FRAME.light,
    "xtick.labelcolor": MUTED.light,
    "xtick.labelsize": FONT_SIZE - 1,
    "ytick.color": FRAME.light,
    "ytick.labelcolor": MUTED.light,
    "ytick.labelsize": FONT_SIZE - 1,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
}


@contextmanager
def plot_style() -> Iterator[None]:
    """Draw in it, from the first artist to the file."""
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # A name in letters that the font has not shows boxes in a PNG; the page has its own fonts.
        warnings.filterwarnings("ignore", message="Glyph")
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that lays itself out; sizes in units."""
    size = (width / UNITS_PER_INCH, height / UNITS_PER_INCH)
    return Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=PADDING, h_pad=PADDING))


def to_png(figure: Figure) -> bytes:
    """The figure on light paper."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=PNG_DPI, facecolor=PAPER.light)
    return file.getvalue()


def set_tip(artist: Artist, text: str) -> None:
    """What the page shows while a pointer rests on the artist."""
    artist.set_gid(TIP + text)
