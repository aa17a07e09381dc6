"""Who computes what: rows of a batch, and batches of an evaluation, dealt to processes.

A process's cost is taken as its padded tokens: the number of its rows times the longest of them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def split_rows(lengths: Ints, parts: int) -> list[Ints]:
    """Deal the rows of a batch so that the dearest part is as cheap as can be.

    Longest rows first, in unbroken runs: no other split has a cheaper dearest part, since swapping
    two rows into order never raises a part's longest.

    Args:
        lengths: (batch,) tokens of each row.
        parts: processes.

    Returns:
        Places in the batch, one array a part, some empty where there are fewer rows than parts.
        One part keeps the batch's own order.
    """
    if parts == 1 or len(lengths) == 0:
        return [np.arange(len(lengths))] * parts
    order = np.argsort(-lengths, kind="stable")
    falling = lengths[order]
    starts = _first_rows(falling, _least_cost(falling, parts))
    ends = [*starts[1:], len(order)]
    runs = [order[start:end] for start, end in zip(starts, ends, strict=True)]
    return runs + [order[:0]] * (parts - len(runs))


def _least_cost(falling: Ints, parts: int) -> int:
    """The smallest limit under which `parts` runs hold all rows; a run costs rows * its longest."""
    low, high = int(falling[0]), int(falling[0]) * len(falling)
    while low < high:
        middle = (low + high) // 2
        fits = len(_first_rows(falling, middle)) <= parts
        low, high = (low, middle) if fits else (middle + 1, high)
    return low


def _first_rows(falling: Ints, limit: int) -> list[int]:
    """Where each run starts if every run takes all rows that its limit allows, at least one."""
    starts, row = [], 0
    while row < len(falling):
        starts.append(row)
        row += limit // int(falling[row])
    return starts


def deal(items: Sequence[Ints], parts: int, part: int) -> list[Ints]:
    """One part's share of items that come by falling cost: there and back again, like a snake."""
    places = range(len(items))
    return [items[place] for place in places if _dealt_to(place, parts) == part]


def _dealt_to(place: int, parts: int) -> int:
    turn, seat = divmod(place, parts)
    return seat if turn % 2 == 0 else parts - 1 - seat
