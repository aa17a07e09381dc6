import math
from itertools import pairwise

import pytest

from qarank.report.colour_scale import ENDS, colour_at, letters_on, to_oklab

STEPS = [colour_at(step / 24) for step in range(25)]


def luminance(colour: str) -> float:
    """Relative, as WCAG defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, pale = sorted(map(luminance, (one, other)))
    return (pale + 0.05) / (dark + 0.05)


def test_black_and_white_are_where_oklab_has_them() -> None:
    assert to_oklab("#000000") == pytest.approx((0, 0, 0), abs=1e-6)
    assert to_oklab("#ffffff") == pytest.approx((1, 0, 0), abs=1e-6)


def test_the_scale_starts_and_ends_with_its_ends() -> None:
    assert (colour_at(0), colour_at(0.5), colour_at(1)) == ENDS
    assert (colour_at(-1), colour_at(2)) == (ENDS[0], ENDS[-1])


def test_equal_steps_look_equally_far_apart_and_ever_deeper() -> None:
    places = [to_oklab(colour) for colour in STEPS]
    distances = [math.dist(one, other) for one, other in pairwise(places)]
    assert max(distances) < 1.15 * min(distances)
    assert all(one[0] > other[0] for one, other in pairwise(places))


@pytest.mark.parametrize("colour", STEPS)
def test_a_number_is_readable_on_every_colour(colour: str) -> None:
    chosen = contrast(colour, letters_on(colour))
    assert chosen > 4.0
    assert chosen >= 0.85 * max(contrast(colour, letters) for letters in ("#000000", "#ffffff"))
