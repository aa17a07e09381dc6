import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qarank.squad.ragged import ragged_indices, row_offsets_of


@given(rows=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 6)), max_size=12))
def test_indices_are_the_ranges_end_to_end(rows: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in rows], dtype=np.int64)
    lengths = np.array([length for _, length in rows], dtype=np.int64)
    plain = [place for start, length in rows for place in range(start, start + length)]
    assert ragged_indices(starts, lengths).tolist() == plain


def test_offsets_begin_at_zero_and_end_at_the_total() -> None:
    assert row_offsets_of(np.array([2, 0, 3])).tolist() == [0, 2, 2, 5]
    assert row_offsets_of(np.array([], dtype=np.int64)).tolist() == [0]
