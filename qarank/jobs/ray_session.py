"""Joins a Ray cluster, or starts one of this machine, and leaves the process as it was.

Left to itself Ray takes SIGTERM over, prints what befalls its nodes on standard output, and tries
for a quarter of an hour to reach a cluster that is not there.
"""

import io
import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any
from urllib.parse import urlsplit

from qarank.errors import LaunchError, StoppedError

LOG = logging.getLogger("qarank")
REACH_S = 10.0  # for a machine to take a connection
ANSWER_S = 120.0  # for a cluster to let a first process join, Ray's import included
STORE_BYTES = 100 * 2**20  # Ray's shared memory on a cluster of our own; nearly nothing is sent
QUIET = {"log_to_driver": False, "logging_level": logging.CRITICAL}
PROBE = "import sys; from qarank.jobs.ray_session import probe; probe(sys.argv[1])"


@contextmanager
def join_ray(address: str | None) -> Iterator[Any]:
    """Ray's module, connected; a cluster that was started here ends with the context.

    Args:
        address: "host:port" or "auto" from a node of the cluster, "ray://host:port" from anywhere;
            None starts a cluster of this machine alone.

    Raises:
        LaunchError: Ray is not installed, nothing answers at the address, or none can be started.
        StoppedError: a signal came meanwhile.
    """
    ray = import_ray()
    if address is not None:
        _require_reach(address)
        _require_answer(address)
    with redirect_stdout(_RayLog()):
        try:
            _connect(ray, address)
            yield ray
        finally:
            ray.shutdown()


def import_ray() -> Any:
    """Ray's module.

    Raises:
        LaunchError: it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise LaunchError("jobs on Ray need its package: pip install 'qarank[ray]'") from error
    return ray


def probe(address: str) -> None:
    """What `join_ray` runs in a process of its own: join, and end with what went wrong."""
    try:
        _connect(import_ray(), address)
    except LaunchError as error:
        sys.exit(str(error))


def say_briefly(error: BaseException) -> str:
    """What an error of Ray's says, without traceback and advice."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1] if lines[0].endswith(":") else lines[0]


def _connect(ray: Any, address: str | None) -> None:
    own = {"include_dashboard": False, "object_store_memory": STORE_BYTES}
    try:
        with _keep_handlers():
            ray.init(address=address or "local", **QUIET, **({} if address else own))
    except SystemExit as error:
        if error.code != signal.SIGTERM:
            raise  # by a handler that is not Ray's
        raise StoppedError("stopped by SIGTERM while Ray was being started") from error
    except Exception as error:  # Ray raises plain ones too
        action = f"joined at {address}" if address else "started on this machine"
        raise LaunchError(f"no Ray cluster can be {action}: {say_briefly(error)}") from error


def _require_reach(address: str) -> None:
    """Refuse at once a host that does not exist or a port at which nobody listens."""
    try:
        place = urlsplit(address if "://" in address else f"//{address}")
        if place.hostname is None or place.port is None:
            return  # "auto", or something else that Ray judges
        socket.create_connection((place.hostname, place.port), timeout=REACH_S).close()
    except (OSError, ValueError) as error:
        raise LaunchError(f"no Ray cluster answers at {address}: {error}") from error


def _require_answer(address: str) -> None:
    """Refuse what is no cluster; asked in a process of its own, which can be ended."""
    command = [sys.executable, "-c", PROBE, address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S)
    except subprocess.TimeoutExpired as error:
        raise LaunchError(
            f"{address} does not answer as a Ray cluster does, waited for {ANSWER_S:g} s"
        ) from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise LaunchError(said[-1] if said else f"nothing can be made of what answers at {address}")


@contextmanager
def _keep_handlers() -> Iterator[None]:
    """Signals are answered as before, whatever is set meanwhile."""
    if threading.current_thread() is not threading.main_thread():
        yield  # where Ray sets none
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _RayLog(io.TextIOBase):
    """Standard output while Ray is there: what its threads print is a note for the curious."""

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                LOG.debug("ray: %s", line.strip())
        return len(text)
