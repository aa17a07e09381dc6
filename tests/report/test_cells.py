import pytest

from qarank.report.cells import (
    as_published,
    clock,
    count,
    gib,
    interval,
    p_value,
    pair,
    per_cent,
    rate,
    signed,
    spread,
)
from qarank.report.study import Difference, Spread

MINUS, THIN = "\N{MINUS SIGN}", "\N{THIN SPACE}"


def test_a_mean_has_its_deviation_where_there_are_several_seeds() -> None:
    assert spread(Spread(71.846, 0.4186, (71.0, 72.0))) == "71.85 ± 0.42"
    assert spread(Spread(71.846, None, (71.846,))) == "71.85"


def test_differences_have_a_sign_that_is_a_minus_and_no_hyphen() -> None:
    assert (signed(0.314), signed(-0.2), signed(0.0)) == ("+0.31", f"{MINUS}0.20", "+0.00")
    assert interval(Difference(0.3, (-0.5, 1.1), 0.4)) == f"{MINUS}0.50 to +1.10"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1.000"), (0.0124, "0.012"), (0.001, "0.001"), (0.0009, "<\u20090.001")],
)
def test_a_p_that_is_too_small_to_write_is_told_as_a_bound(value: float, text: str) -> None:
    assert p_value(Difference(0.0, (0.0, 0.0), value)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.31, "0.3 s"), (42.04, "42.0 s"), (60, "0:01:00"), (3725.4, "1:02:05"), (3599.7, "1:00:00")],
)
def test_times_are_hours_minutes_and_seconds(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_published_figures_keep_the_digits_they_were_published_with() -> None:
    assert (as_published(71.4), per_cent(71.4)) == ("71.4", "71.40")


def test_of_a_pair_a_missing_figure_is_a_dash_and_two_are_nothing() -> None:
    assert pair("66.1", "70.2") == "66.1 / 70.2"
    assert pair("", "70.2") == "\N{EN DASH} / 70.2"
    assert pair("", "") == ""


def test_numbers_and_memory_are_read_at_a_glance() -> None:
    assert (count(331776), count(287.6), gib(3 * 2**30 // 2)) == ("331,776", "288", "1.50")
    assert (rate(0.001), rate(8e-5)) == ("0.001", "8e-05")


def test_what_is_missing_is_an_empty_cell() -> None:
    forms = (per_cent, as_published, spread, signed, interval, p_value, count, clock, gib, rate)
    assert [form(None) for form in forms] == [""] * len(forms)
