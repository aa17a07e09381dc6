"""What a run took, over all the sessions it was made in: time, and the most memory."""

import time
from collections.abc import Mapping

import torch

from qarank.engine.memory import peak_bytes


class Spent:
    """Counts from when it is made, on from what a checkpoint says of the sessions before.

    Args:
        device: of this process.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._seconds_before, self._peak_before = 0.0, 0
        self._started = time.perf_counter()

    @property
    def total_s(self) -> float:
        """Seconds, those of a session after its last checkpoint left out where it was stopped."""
        return self._seconds_before + time.perf_counter() - self._started

    @property
    def peak_bytes(self) -> int:
        """The most that this process, or the main one of a session before, has taken."""
        return max(self._peak_before, peak_bytes(self.device))

    def state_dict(self) -> dict[str, float | int]:
        """As JSON takes it and gives it back."""
        return {"total_s": self.total_s, "peak_bytes": self.peak_bytes}

    def load_state_dict(self, state: Mapping[str, float | int]) -> None:
        """Go on from a session before; one of an older version says nothing."""
        self._seconds_before = float(state.get("total_s", 0.0))
        self._peak_before = int(state.get("peak_bytes", 0))
