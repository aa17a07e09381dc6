"""Durations and sizes as people read them."""

UNITS = (("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
SIZES = ("B", "KiB", "MiB", "GiB", "TiB")


def format_duration(seconds: float) -> str:
    """The two largest units: 2 h 10 min, 45 s; below ten seconds with a digit more, 0.31 s."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    parts, left = [], round(seconds)
    for unit, size in UNITS:
        number, left = divmod(left, size)
        parts.append((number, unit))
    first = next(place for place, (number, _) in enumerate(parts) if number)
    shown = [(number, unit) for number, unit in parts[first : first + 2] if number]
    return " ".join(f"{number} {_plural(unit, number)}" for number, unit in shown)


def _plural(unit: str, number: int) -> str:
    return f"{unit}s" if unit == "day" and number > 1 else unit


def format_bytes(num_bytes: int) -> str:
    """In the unit that leaves fewer than 1024: 1.4 GiB."""
    size, unit = float(num_bytes), 0
    while size >= 1024 and unit < len(SIZES) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.0f} B" if unit == 0 else f"{size:,.1f} {SIZES[unit]}"
