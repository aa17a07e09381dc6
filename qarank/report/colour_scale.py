"""One scale of colours for ranks, in the terminal and in pictures: pale is few, deep is many.

Straight lines in OKLab, where equal distances look equally far apart.

Source: Ottosson, "A perceptual color space for image processing" (2020): the matrices.
"""

from itertools import pairwise

Vector = tuple[float, float, float]

ENDS = ("#f4f8fc", "#4c99ce", "#08306b")  # pale, blue, deep: as far from each other
TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
FROM_LAB = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
FROM_CONES = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)
WHITE_BELOW = 0.58  # OKLab lightness under which white letters are the better read


def colour_at(share: float) -> str:
    """The colour of a rank that is this share of the largest, 0..1, as #rrggbb."""
    place = min(max(share, 0.0), 1.0) * (len(ENDS) - 1)
    first = min(int(place), len(ENDS) - 2)
    low, high = list(pairwise(map(to_oklab, ENDS)))[first]
    along = place - first
    lab = (
        low[0] + along * (high[0] - low[0]),
        low[1] + along * (high[1] - low[1]),
        low[2] + along * (high[2] - low[2]),
    )
    return _from_oklab(lab)


def letters_on(colour: str) -> str:
    """The colour of letters that are read on it: #ffffff or #000000."""
    return "#ffffff" if to_oklab(colour)[0] < WHITE_BELOW else "#000000"


def to_oklab(colour: str) -> Vector:
    """#rrggbb -> lightness 0..1, green to red, blue to yellow."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = map(_to_linear, channels)
    long, medium, short = _apply(TO_CONES, (red, green, blue))
    return _apply(TO_LAB, (long ** (1 / 3), medium ** (1 / 3), short ** (1 / 3)))


def _from_oklab(lab: Vector) -> str:
    long, medium, short = _apply(FROM_LAB, lab)
    linear = _apply(FROM_CONES, (long**3, medium**3, short**3))
    return "#" + "".join(f"{round(255 * _to_channel(value)):02x}" for value in linear)


def _apply(matrix: tuple[Vector, Vector, Vector], vector: Vector) -> Vector:
    one, two, three = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return one, two, three


def _to_linear(channel: float) -> float:
    return float(channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4)


def _to_channel(linear: float) -> float:
    held = min(max(linear, 0.0), 1.0)
    return float(12.92 * held if held <= 0.0031308 else 1.055 * held ** (1 / 2.4) - 0.055)
