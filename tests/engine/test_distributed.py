import logging
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from qarank.engine import distributed
from qarank.engine.distributed import ALONE, Processes
from qarank.errors import DataError, LostProcessError
from tests.distributed.processes import call_joined, run, run_joined, stay


def fail_on(rank: int, processes: Processes) -> int:
    if processes.world.global_rank == rank:
        raise DataError(f"the data of process {rank} is bad")
    return processes.world.global_rank


def tell_error(processes: Processes, name: str) -> tuple[str, bool]:
    """The error that a collective raises here, and whether another process tells it."""
    act = {
        "on_main": lambda: processes.on_main(lambda: fail_on(0, processes)),
        "gather_outcomes": lambda: processes.gather_outcomes(lambda: fail_on(1, processes)),
        "first_on_machine": lambda: processes.first_on_machine(
            lambda: fail_on(0, processes), what="the data"
        ),
    }[name]
    with pytest.raises(DataError) as caught:
        act()
    stay(processes)
    return str(caught.value), caught.value.is_told


def gather_rank(processes: Processes) -> tuple[list[int], list[int], int]:
    rank = processes.world.global_rank
    return (
        processes.gather(rank),
        processes.gather_outcomes(lambda: 10 * rank),
        processes.on_main(lambda: 100 + rank),
    )


def test_values_are_gathered_by_rank_and_the_main_process_hands_out_its_own() -> None:
    assert run_joined(gather_rank, world_size=3) == [([0, 1, 2], [0, 10, 20], 100)] * 3


def test_a_process_alone_needs_no_group() -> None:
    assert ALONE.gather("a") == ["a"]
    assert ALONE.on_main(lambda: 1) == 1
    assert ALONE.first_on_machine(lambda: 2, what="it") == 2
    ALONE.require_agreement("hash", what="the mask")


@pytest.mark.parametrize(
    ("collective", "rank"), [("on_main", 0), ("gather_outcomes", 1), ("first_on_machine", 0)]
)
def test_an_error_of_one_process_is_raised_on_all_and_told_by_it_alone(
    collective: str, rank: int
) -> None:
    told = run_joined(tell_error, collective)
    assert told == [(f"the data of process {rank} is bad", other != rank) for other in range(2)]


def disagree(processes: Processes, odd: int) -> str:
    processes.require_agreement("same", what="the recipe")
    with pytest.raises(LostProcessError) as caught:
        value = "other" if processes.world.global_rank == odd else "hash"
        processes.require_agreement(value, what="step 7: the mask")
    return str(caught.value)


def test_a_process_of_another_mind_is_named_on_every_process() -> None:
    told = run_joined(disagree, 2, world_size=3)
    assert len(set(told)) == 1
    assert told[0].startswith("step 7: the mask differs between processes: 2 from the main process")


def build_twice(processes: Processes, folder: Path) -> list[bool]:
    """Whether each of two builds found what another process had left."""

    def build(path: Path) -> bool:
        was_there = path.exists()
        if not was_there:
            time.sleep(0.3)
            path.write_text("built")
        return was_there

    paths = [folder / "train", folder / "validation"]
    found = [processes.first_on_machine(partial(build, p), what=p.name) for p in paths]
    processes.gather(None)  # as training goes on: process 0, whose store it is, leaves no sooner
    return found


def test_the_first_process_of_a_machine_builds_and_the_others_find_it(tmp_path: Path) -> None:
    found = run_joined(build_twice, tmp_path, world_size=3)
    assert found == [[False, False], [True, True], [True, True]]


def wait_in_vain(processes: Processes) -> str:
    if processes.world.global_rank == 0:
        processes.first_on_machine(lambda: time.sleep(1.5), what="the features")
        return ""
    with pytest.raises(LostProcessError) as caught:
        processes.first_on_machine(lambda: None, what="the features")
    return str(caught.value)


def test_waiting_for_a_build_ends_with_a_line_that_says_how_to_wait_longer() -> None:
    ended = run(call_joined, wait_in_vain, environment={"QARANK_WAIT_S": "1"})
    assert ended[1].value == (
        "process 1 waited 1 s for process 0 to prepare the features; "
        "QARANK_WAIT_S sets how long it may"
    )


def note_waiting(processes: Processes) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    distributed.NOTE_EVERY_S = 0.2
    processes.first_on_machine(lambda: time.sleep(0.5), what="the features")


def test_who_waits_says_for_what() -> None:
    ended = run(call_joined, note_waiting)
    assert ended[0].err == ""
    assert "process 1: waiting for process 0 to prepare the features, 0 s so far" in ended[1].err


def die_or_gather(processes: Processes) -> None:
    if processes.world.global_rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    processes.gather(1)


def die_building_or_wait(processes: Processes) -> None:
    def build() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    processes.first_on_machine(build, what="the features")


@pytest.mark.parametrize(("act", "rank"), [(die_or_gather, 1), (die_building_or_wait, 0)])
def test_a_killed_process_is_told_by_the_others_within_seconds(
    act: Callable[[Processes], None], rank: int
) -> None:
    started = time.monotonic()
    ended = run(call_joined, act)
    assert ended[rank].code == -signal.SIGKILL
    error = ended[1 - rank].error
    assert isinstance(error, LostProcessError)
    assert str(error).startswith("another process of this run is gone: ")
    assert "\n" not in str(error)
    assert time.monotonic() - started < 20


def test_who_comes_alone_to_a_run_of_two_is_told() -> None:
    ended = run(
        call_joined,
        stay,
        world_size=1,
        environment={
            "RANK": "0",
            "LOCAL_RANK": "0",
            "WORLD_SIZE": "2",
            "LOCAL_WORLD_SIZE": "2",
            "QARANK_WAIT_S": "1",
        },
    )
    assert isinstance(ended[0].error, LostProcessError)
