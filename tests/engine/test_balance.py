import itertools
from collections.abc import Iterable, Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qarank.engine.balance import deal, split_rows

Lengths = st.lists(st.integers(1, 400), max_size=24).map(np.array)
FewLengths = st.lists(st.integers(1, 20), min_size=1, max_size=6).map(np.array)
Parts = st.integers(1, 5)


def cost(lengths: Iterable[int]) -> int:
    """Padded tokens of rows that go together."""
    rows = list(lengths)
    return len(rows) * max(rows, default=0)


def dearest(lengths: np.ndarray, parts: Iterable[Iterable[int]]) -> int:
    return max(cost(lengths[list(part)]) for part in parts)


def cut_everywhere(num_rows: int, parts: int) -> Iterator[list[range]]:
    """Every way to cut rows in order into so many unbroken runs, empty ones among them."""
    for cuts in itertools.combinations_with_replacement(range(num_rows + 1), parts - 1):
        bounds = [0, *cuts, num_rows]
        yield [range(start, end) for start, end in itertools.pairwise(bounds)]


@given(Lengths, Parts)
def test_every_row_goes_to_one_part(lengths: np.ndarray, parts: int) -> None:
    split = split_rows(lengths, parts)
    assert len(split) == parts
    assert sorted(np.concatenate(split).tolist()) == list(range(len(lengths)))


@given(Lengths)
def test_one_part_keeps_the_order_of_the_batch(lengths: np.ndarray) -> None:
    assert [part.tolist() for part in split_rows(lengths, 1)] == [list(range(len(lengths)))]


@given(st.lists(st.integers(1, 400), max_size=10).map(np.array), st.integers(2, 4))
def test_no_cut_of_the_sorted_rows_has_a_cheaper_dearest_part(
    lengths: np.ndarray, parts: int
) -> None:
    found = dearest(lengths, split_rows(lengths, parts))
    falling = -np.sort(-lengths)
    assert found == min(dearest(falling, runs) for runs in cut_everywhere(len(falling), parts))


@given(FewLengths, st.integers(2, 3))
def test_no_split_at_all_has_a_cheaper_dearest_part(lengths: np.ndarray, parts: int) -> None:
    best = min(
        max(
            cost(length for length, owner in zip(lengths, owners, strict=True) if owner == part)
            for part in range(parts)
        )
        for owners in itertools.product(range(parts), repeat=len(lengths))
    )
    assert dearest(lengths, split_rows(lengths, parts)) == best


@given(Lengths, Parts)
def test_the_split_is_the_same_on_every_process(lengths: np.ndarray, parts: int) -> None:
    first, second = split_rows(lengths, parts), split_rows(lengths.copy(), parts)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_batch_of_one_row_leaves_the_other_parts_empty() -> None:
    assert [part.tolist() for part in split_rows(np.array([7]), 3)] == [[0], [], []]


@given(Lengths, Parts)
def test_every_batch_is_dealt_to_one_part(lengths: np.ndarray, parts: int) -> None:
    items = [np.array([place]) for place in range(len(lengths))]
    shares = [deal(items, parts, part) for part in range(parts)]
    dealt = [int(item[0]) for share in shares for item in share]
    assert sorted(dealt) == list(range(len(items)))


@given(st.lists(st.integers(1, 400), min_size=1, max_size=24), Parts)
def test_batches_of_falling_cost_are_dealt_evenly(costs: list[int], parts: int) -> None:
    items = [np.array([cost]) for cost in sorted(costs, reverse=True)]
    shares = [deal(items, parts, part) for part in range(parts)]
    totals = [sum(int(item[0]) for item in share) for share in shares]
    assert max(totals) - min(totals) <= max(costs)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
