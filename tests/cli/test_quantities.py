import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.cli.quantities import format_bytes, format_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.0123, "0.012 s"),
        (0.3149, "0.31 s"),
        (9.94, "9.9 s"),
        (9.99, "10 s"),
        (45.4, "45 s"),
        (59.7, "1 min"),
        (61, "1 min 1 s"),
        (7_800, "2 h 10 min"),
        (7_200, "2 h"),
        (7_201, "2 h"),
        (86_400, "1 day"),
        (200_000, "2 days 7 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


SECONDS = {"day": 86_400, "days": 86_400, "h": 3_600, "min": 60, "s": 1}


@given(st.floats(10, 1e9))
def test_a_duration_reads_back_to_the_second_unit(seconds: float) -> None:
    words = format_duration(seconds).split()
    read = sum(
        float(number) * SECONDS[unit] for number, unit in zip(words[::2], words[1::2], strict=True)
    )
    assert read <= seconds + 0.5
    assert seconds - read < max(3_600 if seconds > 86_399 else 60 if seconds > 3_599 else 1, 1)


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_536, "1.5 KiB"),
        (40 * 1024**2, "40.0 MiB"),
        (1_500 * 1024**2, "1.5 GiB"),
        (3_000 * 1024**4, "3,000.0 TiB"),
    ],
)
def test_sizes_have_the_unit_that_leaves_less_than_1024(num_bytes: int, text: str) -> None:
    assert format_bytes(num_bytes) == text
