"""Of the processes that want the same features, one builds them; the others wait and find them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from qarank.errors import RunError

LOG = logging.getLogger("qarank")
SILENT_S = 3.0  # of waiting; most features are built by then


@contextmanager
def only_builder(path: Path) -> Iterator[None]:
    """Wait until no other process builds a feature file. A lock ends with its process.

    Args:
        path: the file to be; its folder is made if need be.

    Raises:
        RunError: nothing can be written there.
    """
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=SILENT_S)
        except Timeout:
            LOG.info("waiting for another process to build the features in %s", path.parent)
            lock.acquire()
    except OSError as error:
        reason = error.strerror or error
        raise RunError(f"{path}: the features cannot be written ({reason})") from error
    try:
        yield
    finally:
        lock.release()
