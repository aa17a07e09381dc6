import itertools
import math

import numpy as np
import pytest

from qarank.report.colour_scale import to_oklab
from qarank.report.theme import (
    GRID,
    INK,
    LEVELS,
    MUTED,
    NAMES,
    PAPER,
    SERIES,
    SHADES,
    Scheme,
    css_variables,
    letters_of,
    level_of,
)

SCHEMES: tuple[Scheme, ...] = ("light", "dark")
# What people see who lack the red, the green or the blue cones, of linear red, green and blue:
# Machado, Oliveira and Fernandes (2009), table 1, severity 1.
SIGHTS = {
    "all three cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def to_linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def see(colour: str, sight: str) -> tuple[float, float, float]:
    """In OKLab, as it is seen."""
    linear = np.clip(np.array(SIGHTS[sight]) @ to_linear(colour), 0, 1)
    shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return to_oklab("#" + "".join(f"{round(255 * channel):02x}" for channel in shown))


def contrast(one: str, other: str) -> float:
    """As WCAG defines it."""
    weights = (0.2126, 0.7152, 0.0722)
    dark, pale = sorted(float(to_linear(colour) @ weights) for colour in (one, other))
    return (pale + 0.05) / (dark + 0.05)


def test_each_light_colour_is_one_shades_alone() -> None:
    assert len(NAMES) == len(SHADES)
    assert all(shade.light == shade.light.lower() and len(shade.light) == 7 for shade in SHADES)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("sight", SIGHTS)
def test_series_are_told_apart_with_any_cones(sight: str, scheme: Scheme) -> None:
    seen = [see(getattr(shade, scheme), sight) for shade in SERIES]
    pairs = itertools.combinations(range(len(seen)), 2)
    distances = {pair: math.dist(seen[pair[0]], seen[pair[1]]) for pair in pairs}
    assert min(distances.values()) > 0.085
    assert min(distances[pair] for pair in itertools.combinations(range(4), 2)) > 0.11


@pytest.mark.parametrize("scheme", SCHEMES)
def test_lines_and_words_stand_out_from_the_paper(scheme: Scheme) -> None:
    paper = getattr(PAPER, scheme)
    assert min(contrast(getattr(shade, scheme), paper) for shade in SERIES) >= 3
    assert min(contrast(getattr(shade, scheme), paper) for shade in (INK, MUTED)) >= 4.5
    assert contrast(getattr(GRID, scheme), paper) < 1.5, "a grid stays behind what is drawn on it"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_numbers_are_read_on_every_level(scheme: Scheme) -> None:
    for level in LEVELS:
        assert contrast(getattr(level, scheme), getattr(letters_of(level), scheme)) > 4


@pytest.mark.parametrize("scheme", SCHEMES)
def test_more_is_ever_further_from_the_paper(scheme: Scheme) -> None:
    distances = [contrast(getattr(level, scheme), getattr(PAPER, scheme)) for level in LEVELS]
    assert distances == sorted(distances)


def test_a_share_finds_its_level() -> None:
    assert (level_of(0), level_of(0.5), level_of(1)) == (LEVELS[0], LEVELS[8], LEVELS[16])
    assert (level_of(-1), level_of(2)) == (LEVELS[0], LEVELS[16])


def test_the_style_sheet_declares_every_shade_in_both_schemes() -> None:
    light, dark = (css_variables(scheme).split("; ") for scheme in SCHEMES)
    assert len(light) == len(dark) == len(SHADES)
    assert light[0] == f"--paper: {PAPER.light}"
    assert dark[0] == f"--paper: {PAPER.dark}"
