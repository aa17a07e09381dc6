import os
import signal
import time

import pytest
from torch.distributed import TCPStore

from qarank.engine.distributed import Processes
from qarank.engine.environment import World
from qarank.engine.joining import local_device, read_wait_s
from qarank.errors import LaunchError, LostProcessError
from tests.distributed.processes import call_joined, run, stay


def come_late(late_rank: int) -> list[int]:
    """Join the group, one process well after the others."""
    if int(os.environ["RANK"]) == late_rank:
        time.sleep(0.5)
    return call_joined(gather_ranks)


def gather_ranks(processes: Processes) -> list[int]:
    return processes.gather(processes.world.global_rank)


def die_together(processes: Processes) -> None:
    processes.gather(None)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("late_rank", [0, 1, 2])
def test_processes_started_anew_find_each_other_in_a_store_that_the_lost_ones_used(
    late_rank: int,
) -> None:
    launchers = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    places = {"MASTER_PORT": str(launchers.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    lost = run(call_joined, die_together, world_size=3, environment=places)
    assert [process.code for process in lost] == [-signal.SIGKILL] * 3
    anew = run(come_late, late_rank, world_size=3, environment=places)
    assert [process.value for process in anew] == [[0, 1, 2]] * 3, anew[0].err


def test_a_process_that_does_not_come_is_named_with_how_to_wait_longer() -> None:
    launchers = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    (alone,) = run(
        call_joined,
        stay,
        world_size=1,
        environment={
            "MASTER_PORT": str(launchers.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "RANK": "0",
            "LOCAL_RANK": "0",
            "WORLD_SIZE": "2",
            "QARANK_WAIT_S": "1",
        },
    )
    assert isinstance(alone.error, LostProcessError)
    assert str(alone.error) == (
        "process 1 did not come within 1 s; QARANK_WAIT_S sets how long it may take"
    )


def test_seconds_to_wait_come_from_the_environment() -> None:
    assert read_wait_s({}) == 1800
    assert read_wait_s({"QARANK_WAIT_S": "60"}) == 60


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "soon"])
def test_seconds_to_wait_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(LaunchError, match=r"^QARANK_WAIT_S is .*; a whole number of seconds"):
        read_wait_s({"QARANK_WAIT_S": text})


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert local_device(World(3, 1, 4, 2)).index == 1
    with pytest.raises(LaunchError, match="3 processes find 2 GPUs on this machine"):
        local_device(World(2, 2, 3, 3))
