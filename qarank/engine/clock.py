"""Where the time of a step goes."""

import time


class StepClock:
    """Splits a step's wall time into named parts."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self.parts: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """From the start to the latest lap."""
        return self._last - self._started

    def lap(self, part: str) -> None:
        """The time since the last lap went into this part."""
        now = time.perf_counter()
        self.parts[part] = self.parts.get(part, 0.0) + now - self._last
        self._last = now
