"""Ragged arrays: rows of different lengths laid end to end, so that no loop walks tokens.

Dims: num_rows; total: the sum of the rows' lengths.
"""

import numpy as np
from numpy.typing import NDArray


def row_offsets_of(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each row begins, and the end of the last: (num_rows + 1,) from (num_rows,)."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def ragged_indices(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Flat indices of starts[i] .. starts[i] + lengths[i] - 1 for every row i, in row order.

    Args:
        starts: (num_rows,) first index of each row.
        lengths: (num_rows,) how many follow on, 0 or more.

    Returns:
        (total,) int64.
    """
    offsets = row_offsets_of(lengths)
    return np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
