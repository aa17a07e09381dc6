from collections.abc import Iterator

import pytest

from qarank.engine.clock import StepClock


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """What the clock will read, first to last."""
    readings: list[float] = []
    monkeypatch.setattr("time.perf_counter", lambda: readings.pop(0))
    yield readings
    monkeypatch.undo()  # pytest reads the clock too


def test_each_part_takes_the_time_since_the_lap_before(times: list[float]) -> None:
    times += [10.0, 11.0, 13.0]
    clock = StepClock()
    clock.lap("data")
    clock.lap("forward")
    assert clock.parts == {"data": 1.0, "forward": 2.0}


def test_a_part_that_comes_again_is_summed(times: list[float]) -> None:
    times += [0.0, 1.0, 3.0, 6.0]
    clock = StepClock()
    for part in ("data", "forward", "data"):
        clock.lap(part)
    assert clock.parts == {"data": 4.0, "forward": 2.0}


def test_the_parts_add_up_to_the_whole() -> None:
    clock = StepClock()
    for part in "abcabc":
        sum(range(1000))
        clock.lap(part)
    assert clock.seconds == pytest.approx(sum(clock.parts.values()))
    assert clock.seconds > 0


def test_time_after_the_latest_lap_is_in_no_part(times: list[float]) -> None:
    times += [0.0, 2.0]
    clock = StepClock()
    assert clock.seconds == 0.0
    clock.lap("data")
    assert clock.seconds == 2.0
