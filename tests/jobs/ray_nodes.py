"""A real Ray cluster of two nodes on this machine, a CPU each; the second may have a GPU, by name.

Its nodes are processes; one that is killed is replaced before the next test.
"""

import os
import shutil
import signal
import tempfile
from typing import Any

from ray.cluster_utils import Cluster

NODE = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 * 2**20}
HEAD_CONFIG = {  # a node that says nothing for some seconds is taken for dead
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 4,
}
TRIES = 3  # Ray gives a node 30 s to start, too little on a machine that is busy


class TwoNodes:
    """The cluster, by what tests do to it."""

    def __init__(self, *, gpus_of_other: int = 1) -> None:
        self.gpus_of_other = gpus_of_other
        self.folder = tempfile.mkdtemp(prefix="ray")  # short: the names of its sockets are limited
        self.cluster = Cluster()
        self.head = self._add(temp_dir=self.folder, _system_config=HEAD_CONFIG)
        self.other = self._add(num_gpus=self.gpus_of_other)

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    @property
    def pids(self) -> list[str]:
        """Of the head's process, and of the other node's, as jobs see them."""
        return [str(raylet_pid(node)) for node in (self.head, self.other)]

    def kill_other(self) -> None:
        """As a machine that loses its power, but for the jobs that ran there."""
        os.kill(raylet_pid(self.other), signal.SIGKILL)

    def end_other(self) -> None:
        """As a machine that is taken away in good order."""
        self.cluster.remove_node(self.other)

    def renew_other(self) -> None:
        """Have two nodes again."""
        if self.other in self.cluster.worker_nodes:
            if not self.other.dead_processes():
                return
            self.cluster.remove_node(self.other, allow_graceful=False)
        self.other = self._add(num_gpus=self.gpus_of_other)

    def shutdown(self) -> None:
        self.cluster.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _add(self, **settings: Any) -> Any:
        before = signal.getsignal(signal.SIGTERM)  # Ray sets its own
        try:
            for _ in range(TRIES - 1):
                try:
                    return self.cluster.add_node(**NODE, **settings)
                except Exception as error:  # Ray raises a plain one
                    print(f"a node did not start: {error}")
            return self.cluster.add_node(**NODE, **settings)
        finally:
            signal.signal(signal.SIGTERM, before)


def raylet_pid(node: Any) -> int:
    (raylet,) = node.all_processes["raylet"]
    return int(raylet.process.pid)
