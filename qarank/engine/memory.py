"""A full memory, told as one whichever device it is of."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from qarank.errors import RunError

CPU_WORDS = "DefaultCPUAllocator"  # a CPU's allocator has no error class of its own


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
