"""Signals that ask a run for something, noted when they come and acted on between steps."""

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

LOG = logging.getLogger("qarank")
STOPPING = (signal.SIGINT, signal.SIGTERM)
SAVING = getattr(signal, "SIGUSR1", None)  # what batch schedulers send before a time limit


@dataclass(frozen=True)
class Requests:
    """What is asked of a run, agreed by all of its processes.

    Attributes:
        stop: the number of the signal to stop for; 0: none.
        save: whether to write a checkpoint and go on.
    """

    stop: int = 0
    save: bool = False

    def __bool__(self) -> bool:
        """Whether anything is asked."""
        return bool(self.stop) or self.save

    def votes(self) -> list[float]:
        """One process's view as numbers that can be summed over processes."""
        return [*(float(self.stop == number) for number in STOPPING), float(self.save)]

    @classmethod
    def from_votes(cls, votes: Sequence[float]) -> "Requests":
        """What the summed votes ask for: a stop wanted by one is a stop for all."""
        *stops, saves = votes
        asked = [number for number, count in zip(STOPPING, stops, strict=True) if count]
        return cls(stop=int(asked[0]) if asked else 0, save=saves > 0)


NOTHING = Requests()


class SignalRequests:
    """Notes SIGINT, SIGTERM and SIGUSR1 while it is entered.

    The first SIGINT or SIGTERM asks to stop; a second one leaves at once.

    Args:
        repeats_s: a launcher hands on to its workers what a terminal has sent them already; a
            signal that comes again within this time is the same request.
        now: the clock, in seconds.
    """

    def __init__(
        self, *, repeats_s: float = 0.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.repeats_s, self.now = repeats_s, now
        self.stop = 0
        self._stopped_at = 0.0
        self._save = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "SignalRequests":
        """Take the signals over; they reach the main thread alone, elsewhere nothing is noted."""
        if threading.current_thread() is not threading.main_thread():
            return self
        handlers: dict[int, Callable[[int, FrameType | None], None]] = {
            number: self._ask_to_stop for number in STOPPING
        }
        if SAVING is not None:
            handlers[SAVING] = self._ask_to_save
        self._before = {number: signal.signal(number, act) for number, act in handlers.items()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def take(self) -> Requests:
        """What is asked; a request to save is taken once, one to stop stays."""
        asked, self._save = Requests(self.stop, self._save), False
        return asked

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if not self.stop:
            self.stop, self._stopped_at = number, self.now()
            LOG.info("%s: stopping after this step; once more leaves at once", name)
        elif self.now() - self._stopped_at >= self.repeats_s:
            LOG.error("qarank: left at once by %s", name)
            sys.exit(128 + number)

    def _ask_to_save(self, number: int, frame: FrameType | None) -> None:
        self._save = True
