"""The colours of the sweep's page and pictures, each for a light and for a dark page.

Pictures are drawn in the light ones; as each is used by one shade alone, `svg.py` finds them again
and writes the shade's CSS variable in their place, so that a drawing follows the page's theme.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from qarank.report.colour_scale import colour_at, letters_on

Scheme = Literal["light", "dark"]


@dataclass(frozen=True)
class Shade:
    """A colour with a task.

    Attributes:
        name: of its CSS variable, without the dashes before it.
        light: #rrggbb on a light page, no other shade's.
        dark: #rrggbb on a dark one.
    """

    name: str
    light: str
    dark: str


PAPER = Shade("paper", "#ffffff", "#15181d")
INK = Shade("ink", "#1c2128", "#e7e9ec")
MUTED = Shade("muted", "#59636f", "#9ba5b1")  # words beside the figures, still to be read
FRAME = Shade("frame", "#9aa3ad", "#565f6b")  # axes
GRID = Shade("grid", "#e4e7eb", "#2a3038")

# Told apart by people who see no red, no green or no blue; the first ones most easily.
SERIES = (
    Shade("series-0", "#0c5eb8", "#4a7ff0"),
    Shade("series-1", "#e65719", "#f3813f"),
    Shade("series-2", "#299dac", "#55bfb2"),
    Shade("series-3", "#71153d", "#e02f45"),
    Shade("series-4", "#a276fb", "#b797ff"),
    Shade("series-5", "#7e4a09", "#fdca3a"),
    Shade("series-6", "#a93772", "#9c6f92"),
    Shade("series-7", "#4b2188", "#f7d8fe"),
)

NUM_LEVELS = 17
DIMMED = 0.88  # a dark page's levels end before white, which would glare
# Few is near the page: pale on a light one, deep on a dark one.
LEVELS = tuple(
    Shade(
        f"level-{level}",
        colour_at(level / (NUM_LEVELS - 1)),
        colour_at(1 - DIMMED * level / (NUM_LEVELS - 1)),
    )
    for level in range(NUM_LEVELS)
)
# Black and white letters, the light ones a unit apart, so that each is one shade's alone.
_LETTERS = {
    ("#000000", "#ffffff"): Shade("letters-few", "#000001", "#ffffff"),
    ("#000000", "#000000"): Shade("letters-some", "#000100", "#000000"),
    ("#ffffff", "#000000"): Shade("letters-many", "#fffffe", "#000000"),
}
SHADES = (PAPER, INK, MUTED, FRAME, GRID, *SERIES, *LEVELS, *_LETTERS.values())
NAMES = {shade.light: shade.name for shade in SHADES}


def level_of(share: float) -> Shade:
    """The shade of a rank that is this share of the largest, 0..1."""
    return LEVELS[round(min(max(share, 0.0), 1.0) * (NUM_LEVELS - 1))]


def letters_of(level: Shade) -> Shade:
    """The letters that are read on it."""
    return _LETTERS[letters_on(level.light), letters_on(level.dark)]


def css_variables(scheme: Scheme) -> str:
    """The declarations of all shades, for a rule of the page's style sheet."""
    return " ".join(_declarations(scheme))


def _declarations(scheme: Scheme) -> Iterator[str]:
    for shade in SHADES:
        yield f"--{shade.name}: {shade.light if scheme == 'light' else shade.dark};"
