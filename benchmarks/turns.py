"""Two or more ways to the same end, timed in turn, so that a machine's moods fall on all alike."""

import statistics
import time
from collections.abc import Callable, Mapping

Way = Callable[[], None]
Spread = dict[str, float]  # median, min and max


def time_in_turns(ways: Mapping[str, Way], *, turns: int) -> dict[str, list[float]]:
    """Seconds of each way, one figure a turn; a turn before the first warms up.

    Args:
        ways: name -> one whole pass.
        turns: measured, 1 or more.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if turn:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def to_speeds(seconds: Mapping[str, list[float]], count: float) -> dict[str, Spread]:
    """Things a second, where each pass does `count` of them."""
    return {
        name: {
            "median": count / statistics.median(values),
            "min": count / max(values),
            "max": count / min(values),
        }
        for name, values in seconds.items()
    }


def compare_turns(fast: list[float], slow: list[float]) -> Spread:
    """How many times as fast, turn by turn: what both did under the same load."""
    ratios = [other / one for one, other in zip(fast, slow, strict=True)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}
