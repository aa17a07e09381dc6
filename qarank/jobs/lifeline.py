"""Ends a job's process when the one that started it is gone, also where that was killed.

Whoever starts a job gives it a pipe as standard input and never writes; the pipe closes with it.
"""

import os
import signal
import threading
from collections.abc import Callable
from typing import BinaryIO

LIFELINE = "QARANK_LIFELINE"  # set where standard input is a lifeline


def hold_lifeline(stream: Callable[[], BinaryIO], *, number: int = signal.SIGTERM) -> None:
    """Where this process is a job, send it a signal once the stream ends.

    What it starts itself is not bound to the same lifeline.

    Args:
        stream: gives standard input, which need not be there where this process is no job.
        number: the signal; by default the one that makes a run save and end.
    """
    if os.environ.pop(LIFELINE, None) is None:
        return
    # Not the stream itself: Python, when it ends, waits for a thread that reads it, then aborts.
    lifeline = os.dup(stream().fileno())

    def wait() -> None:
        while os.read(lifeline, 1):
            pass  # nobody writes
        os.kill(os.getpid(), number)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
