import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.report.log_axis import log_limits, make_log, short_number
from qarank.report.plot_style import new_figure, plot_style

POSITIVE = st.floats(1e-12, 1e12)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (331776, "331.8k"),
        (2e6, "2M"),
        (3e9, "3G"),
        (1000, "1k"),
        (999, "999"),
        (62.5, "62.5"),
        (0.05, "0.05"),
        (0, "0"),
        (2e-5, "2e-5"),
        (1.25e-7, "1.25e-7"),
        (-2000, "-2k"),
    ],
)
def test_a_number_has_as_few_letters_as_it_needs(value: float, text: str) -> None:
    assert short_number(value) == text


@given(st.lists(POSITIVE, min_size=1, max_size=5))
def test_all_values_are_within_with_room_at_either_end(values: list[float]) -> None:
    low, high = log_limits(values)
    assert 0 < low < min(values) <= max(values) < high
    assert high / low >= 3.99


@given(st.lists(POSITIVE, min_size=1, max_size=3))
def test_an_axis_has_a_tick_to_read_it_by(values: list[float]) -> None:
    with plot_style():
        axes = new_figure(100, 100).add_subplot()
        make_log(axes.xaxis, log_limits(values))
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.xaxis.get_majorticklocs() if low <= tick <= high]
    assert 1 <= len(ticks) <= 15
    assert axes.get_xscale() == "log" and axes.get_yscale() == "linear"
