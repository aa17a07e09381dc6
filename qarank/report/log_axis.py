"""Logarithmic axes of plain numbers: 50k, 0.002, 1e-6."""

import math

from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

LEAST_FACTOR = 4.0  # between the ends of an axis: 1, 2 or 5 times a power of ten is always in it
WIDE_FACTOR = 200.0  # from here on powers of ten are enough


def short_number(value: float, _: object = None) -> str:
    """As few letters as the number needs: 331.8k, 2M, 0.05, 1e-6."""
    size = abs(value)
    for letter, unit in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if size >= unit:
            return f"{value / unit:.4g}{letter}"
    if size == 0 or size >= 1e-3:
        return f"{value:.4g}"
    digits, _, power = f"{value:.2e}".partition("e")
    return f"{float(digits):g}e{int(power)}"


def log_limits(values: list[float], *, room: float = 0.12) -> tuple[float, float]:
    """The ends of an axis with room for the values, all positive.

    Args:
        values: one at least.
        room: share of the axis at either end.
    """
    low, high = math.log(min(values)), math.log(max(values))
    length = max(high - low, math.log(LEAST_FACTOR) * (1 - 2 * room))
    middle, half = (low + high) / 2, length / (1 - 2 * room) / 2
    return math.exp(middle - half), math.exp(middle + half)


def make_log(axis: Axis, limits: tuple[float, float]) -> None:
    """Give an axis a logarithmic scale, these ends and readable ticks."""
    low, high = limits
    is_wide = high / low > WIDE_FACTOR
    # The name of its setter is all that an axis of x and one of y differ in.
    name = axis.axis_name  # type: ignore[attr-defined]
    getattr(axis.axes, f"set_{name}scale")("log")
    getattr(axis.axes, f"set_{name}lim")(low, high)
    axis.set_major_locator(LogLocator(subs=(1,) if is_wide else (1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(short_number))
