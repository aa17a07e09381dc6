"""The most memory a process has taken; and a full memory, told as one whichever device it is of."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from qarank.errors import RunError

CPU_WORDS = "DefaultCPUAllocator"  # a CPU's allocator has no error class of its own
STATUS = Path("/proc/self/status")
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes; elsewhere it counts in KiB


def peak_bytes(device: torch.device) -> int:
    """The most this process has taken so far.

    On a GPU: what tensors took there since the peak was reset. On a CPU: what was resident since
    the process started, Python, libraries and data included.
    """
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    lines = STATUS.read_text().splitlines() if STATUS.is_file() else []
    for line in lines:
        if line.startswith("VmHWM:"):  # of this program alone: getrusage's counts what started it
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device's, or this machine's, memory is full."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and CPU_WORDS in str(error)


@contextmanager
def telling_full_memory(line: str) -> Iterator[None]:
    """Turn such an error into one line.

    Raises:
        RunError: with the line; it is this process's own.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        failure = RunError(line)
        failure.is_own = True
        raise failure from error
