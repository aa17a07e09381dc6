"""Figures as they stand in the page's tables: one form for each kind, missing ones empty."""

from qarank.report.study import Difference, Spread

MINUS, PLUS_MINUS, THIN = "\N{MINUS SIGN}", "\N{PLUS-MINUS SIGN}", "\N{THIN SPACE}"
DASH = "\N{EN DASH}"
GIB = 1024**3
LEAST_P = 0.001


def per_cent(value: float | None) -> str:
    """EM, F1: 71.85."""
    return "" if value is None else f"{value:.2f}".replace("-", MINUS)


def as_published(value: float | None) -> str:
    """EM, F1 with the digits it was published with: 71.4."""
    return "" if value is None else f"{value}"


def spread(figure: Spread | None) -> str:
    """Mean and standard deviation over seeds: 71.85 ± 0.42; the mean alone with one seed."""
    if figure is None:
        return ""
    if figure.sd is None:
        return per_cent(figure.mean)
    return f"{per_cent(figure.mean)} {PLUS_MINUS} {figure.sd:.2f}"


def signed(value: float | None) -> str:
    """A difference: +0.31."""
    return "" if value is None else f"{value:+.2f}".replace("-", MINUS)


def interval(difference: Difference | None) -> str:
    """Its ends: +0.02 to +1.31."""
    if difference is None:
        return ""
    low, high = difference.interval
    return f"{signed(low)} to {signed(high)}"


def p_value(difference: Difference | None) -> str:
    """Three digits: 0.012; < 0.001."""
    if difference is None:
        return ""
    value = difference.p_value
    return f"<{THIN}{LEAST_P}" if value < LEAST_P else f"{value:.3f}"


def pair(first: str, second: str) -> str:
    """Two figures in a cell: 66.10 / 70.20; a dash for a missing one, nothing if both are."""
    return f"{first or DASH} / {second or DASH}" if first or second else ""


def count(value: float | None) -> str:
    """331,776."""
    return "" if value is None else f"{value:,.0f}"


def clock(seconds: float | None) -> str:
    """Hours, minutes and seconds: 1:02:05; below a minute seconds: 42.0 s."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}"


def gib(num_bytes: float | None) -> str:
    """Memory in GiB: 2.16."""
    return "" if num_bytes is None else f"{num_bytes / GIB:.2f}"


def rate(value: float | None) -> str:
    """A learning rate: 0.001, 8e-05."""
    return "" if value is None else f"{value:g}"
