from pathlib import Path

import pytest

from qarank.jobs.job import Job
from qarank.jobs.node_room import Room, ask_for_gpus, find_misfit, read_rooms


def job(name: str, *, gpus: int, threads: int) -> Job:
    return Job(name, ["true"], Path(), Path("log"), num_gpus=gpus, num_threads=threads)


def test_the_rooms_are_those_of_the_nodes_that_are_alive() -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 2.0, "memory": 1e9}},
        {"Alive": True, "Resources": {"CPU": 4.0}},
        {"Alive": True},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    ]
    assert read_rooms(nodes) == [Room(2, 8), Room(0, 4), Room(0, 0)]


def test_jobs_that_fit_on_some_node_each_fit() -> None:
    rooms = [Room(gpus=0, cpus=16), Room(gpus=1, cpus=2)]
    assert find_misfit([job("a", gpus=0, threads=16), job("b", gpus=1, threads=2)], rooms) is None
    assert find_misfit([], []) is None


@pytest.mark.parametrize(
    ("gpus", "threads", "rooms", "told"),
    [
        (
            4,
            2,
            [Room(1, 8), Room(1, 8), Room(0, 16)],
            "b needs 4 GPUs and 2 CPUs on one node; "
            "the cluster's nodes have 1 GPU and 8 CPUs, or 0 GPUs and 16 CPUs",
        ),
        (
            1,
            9,
            [Room(1, 8), Room(0, 16)],
            "b needs 1 GPU and 9 CPUs on one node; "
            "the cluster's nodes have 1 GPU and 8 CPUs, or 0 GPUs and 16 CPUs; "
            "--threads asks for fewer CPUs",
        ),
        (1, 1, [], "b needs 1 GPU and 1 CPU on one node; the cluster has no node"),
    ],
    ids=["too many GPUs", "not both on one node", "no node"],
)
def test_a_job_that_fits_nowhere_is_told_with_what_there_is(
    gpus: int, threads: int, rooms: list[Room], told: str
) -> None:
    jobs = [job("a", gpus=0, threads=0), job("b", gpus=gpus, threads=threads)]
    assert find_misfit(jobs[1:] if not rooms else jobs, rooms) == told


def test_where_no_node_has_a_gpu_none_is_asked_for() -> None:
    jobs = [job("a", gpus=2, threads=1), job("b", gpus=0, threads=1)]
    assert [each.num_gpus for each in ask_for_gpus(jobs, [Room(0, 4), Room(0, 8)])] == [0, 0]
    assert ask_for_gpus(jobs, [Room(0, 4), Room(1, 8)]) == jobs


def test_of_many_sizes_of_nodes_some_are_shown() -> None:
    told = find_misfit([job("a", gpus=9, threads=1)], [Room(1, cpus) for cpus in range(1, 9)])
    assert told is not None and told.count("1 GPU and") == 4 and told.endswith("5 CPUs, and so on")
