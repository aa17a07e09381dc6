"""What the nodes of a cluster can give, and whether a job fits on one of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qarank.jobs.job import Job

MAX_SHOWN = 4  # sizes of nodes in a message
FEWER_CPUS = "; --threads asks for fewer CPUs"


@dataclass(frozen=True, order=True)
class Room:
    """Of a node, or what a job asks of one.

    Attributes:
        gpus: whole ones.
        cpus: cores, or threads that each take one.
    """

    gpus: int
    cpus: int

    def holds(self, need: "Room") -> bool:
        """Whether a job that needs this could run here, the node being free."""
        return self.gpus >= need.gpus and self.cpus >= need.cpus

    def __str__(self) -> str:
        """As a message names it."""
        return f"{_count(self.gpus, 'GPU')} and {_count(self.cpus, 'CPU')}"


def read_rooms(nodes: Iterable[Mapping[str, Any]]) -> list[Room]:
    """The nodes that are alive, as `ray.nodes()` tells of them."""
    alive = [node.get("Resources", {}) for node in nodes if node.get("Alive")]
    return [Room(int(each.get("GPU", 0)), int(each.get("CPU", 0))) for each in alive]


def ask_for_gpus(jobs: Sequence[Job], rooms: Sequence[Room]) -> list[Job]:
    """The jobs as they are, or without GPUs where no node has one."""
    if any(room.gpus for room in rooms):
        return list(jobs)
    return [replace(job, num_gpus=0) for job in jobs]


def find_misfit(jobs: Sequence[Job], rooms: Sequence[Room]) -> str | None:
    """Why the first job that fits on no node does not, in a line; None where all fit."""
    for job in jobs:
        need = Room(job.num_gpus, job.num_threads)
        if not any(room.holds(need) for room in rooms):
            lacks_cpus = any(room.gpus >= need.gpus for room in rooms)
            way_out = FEWER_CPUS if lacks_cpus else ""
            return f"{job.name} needs {need} on one node; {_describe(rooms)}{way_out}"
    return None


def _describe(rooms: Sequence[Room]) -> str:
    sizes = [str(room) for room in sorted(set(rooms), reverse=True)]
    if not sizes:
        return "the cluster has no node"
    more = ", and so on" if len(sizes) > MAX_SHOWN else ""
    return f"the cluster's nodes have {', or '.join(sizes[:MAX_SHOWN])}{more}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
