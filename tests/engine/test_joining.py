import pytest

from qarank.engine.environment import World
from qarank.engine.joining import local_device, read_wait_s
from qarank.errors import LaunchError


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
    with pytest.raises(LaunchError, match="process 2 of this machine finds 2 GPUs"):
        local_device(World(2, 2, 3, 3))
