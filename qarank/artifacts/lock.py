"""Who may write a folder: one process at a time, which leaves its name there while it does."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from qarank.artifacts.atomic import read_json, write_json
from qarank.artifacts.names import HOLDER, LOCK
from qarank.errors import RunDirError

LOG = logging.getLogger("qarank")


@contextmanager
def lock_folder(folder: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Keep a folder for this process. The lock ends with its process, however that ends.

    Args:
        folder: to keep.
        wait_s: seconds another process is given to let go of it.

    Raises:
        RunDirError: another process holds it, or nothing may be written there.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise RunDirError(f"{folder}: {_describe_writer(folder)}") from error
    except OSError as error:
        raise RunDirError(f"{folder} cannot be locked: {error.strerror or error}") from error
    holder = folder / HOLDER
    try:
        if holder.exists():
            dead, _ = _read_holder(folder)
            LOG.info("%s: the lock of %s, which has ended, is taken over", folder, dead)
        write_json(holder, _describe_self())
        yield
    finally:
        with suppress(OSError):  # on a disk gone read-only, the lock must go all the same
            holder.unlink(missing_ok=True)  # before the lock: after it, the file is another's
        lock.release()


def _describe_self() -> dict[str, str | int]:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": since}


def _describe_writer(folder: Path) -> str:
    holder, since = _read_holder(folder)
    when = f"has been writing here since {since}" if since else "is writing here"
    return f"{holder} {when}"


def _read_holder(folder: Path) -> tuple[str, str]:
    """What to call it, and since when it holds the lock; no time if it has not yet told."""
    try:
        holder = read_json(folder / HOLDER)
        return f"process {holder['pid']} on {holder['host']}", str(holder["since"])
    except (OSError, ValueError, KeyError):
        return "another process", ""
