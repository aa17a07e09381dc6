import logging
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.engine.signals import NOTHING, STOPPING, Requests, SignalRequests

STOPS = pytest.mark.parametrize("number", STOPPING, ids=lambda number: number.name)
ASKED = st.builds(Requests, stop=st.sampled_from([0, *STOPPING]), save=st.booleans())


@STOPS
def test_a_first_signal_asks_to_stop_and_says_what_a_second_does(
    number: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "qarank"), SignalRequests() as signals:
        assert signals.take() == NOTHING
        signal.raise_signal(number)
        assert signals.take() == signals.take() == Requests(stop=number), "a stop is not taken back"
    name = signal.Signals(number).name
    assert caplog.messages == [f"{name}: stopping after this step; once more leaves at once"]


@STOPS
def test_a_second_signal_leaves_at_once_with_128_and_its_number(
    number: int, caplog: pytest.LogCaptureFixture
) -> None:
    with SignalRequests():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(SystemExit) as left:
            signal.raise_signal(number)
    assert left.value.code == 128 + number
    assert caplog.messages[-1] == f"qarank: left at once by {signal.Signals(number).name}"


def test_what_a_launcher_hands_on_is_no_second_signal() -> None:
    times = iter([100.0, 100.5, 101.9, 102.0])
    with SignalRequests(repeats_s=2.0, now=lambda: next(times)) as signals:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert signals.take() == Requests(stop=signal.SIGINT)
        with pytest.raises(SystemExit, match="130"):
            signal.raise_signal(signal.SIGINT)


def test_a_request_to_save_is_taken_once_and_may_come_again() -> None:
    with SignalRequests() as signals:
        for _ in range(2):
            signal.raise_signal(signal.SIGUSR1)
            signal.raise_signal(signal.SIGUSR1)
            assert signals.take() == Requests(save=True)
            assert signals.take() == NOTHING


def test_signals_are_given_back_whatever_happens() -> None:
    numbers = (*STOPPING, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    with pytest.raises(ZeroDivisionError), SignalRequests() as signals:
        assert all(signal.getsignal(number) not in before for number in numbers)
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in numbers] == before
    assert signals.take() == NOTHING


@given(asked=st.lists(ASKED, min_size=1, max_size=5))
def test_what_one_process_is_asked_is_asked_of_all(asked: list[Requests]) -> None:
    summed = [sum(column) for column in zip(*(each.votes() for each in asked), strict=True)]
    agreed = Requests.from_votes(summed)
    stops = {each.stop for each in asked} - {0}
    assert agreed.stop in (stops or {0})
    assert agreed.save == any(each.save for each in asked)
    assert bool(agreed) == any(asked)


@given(asked=ASKED)
def test_one_process_alone_gets_back_what_it_voted_for(asked: Requests) -> None:
    assert Requests.from_votes(asked.votes()) == asked
