"""Whether runs agree on where rank is worth its place: Spearman's rho between their patterns.

Dims: runs; common: matrices that all runs have.
Source: Spearman (1904), with mean ranks for ties: Pearson's correlation of the places. scipy.stats
says the same, as the tests see to, but takes a second to load, longer than all of inspect-ranks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RankCorrelation:
    """How alike the runs' patterns are.

    Attributes:
        common: matrices that all runs have.
        left_out: matrices that some run has not.
        values: (runs, runs) float64, -1..1; NaN with a pattern in which all ranks are equal, and
            where fewer than two matrices are common.
    """

    common: int
    left_out: int
    values: np.ndarray

    def rows(self) -> list[list[float | None]]:
        """The values with None for NaN."""
        return [[None if np.isnan(v) else float(v) for v in row] for row in self.values]


def correlate_ranks(patterns: Sequence[Mapping[str, int]]) -> RankCorrelation:
    """Compare the patterns of runs, each with each.

    Args:
        patterns: path -> triplets kept, of each run; one run at least.
    """
    everywhere = set.intersection(*(set(pattern) for pattern in patterns))
    common = [path for path in patterns[0] if path in everywhere]
    anywhere = {path for pattern in patterns for path in pattern}
    places = [average_places([pattern[path] for path in common]) for pattern in patterns]
    values = np.array([[_pearson(one, other) for other in places] for one in places])
    return RankCorrelation(len(common), len(anywhere) - len(common), values)


def average_places(values: Sequence[int]) -> np.ndarray:
    """(common,) float64: each value's place in ascending order, ties at the mean of theirs."""
    _, group, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)  # of each group of ties, counted from 1
    means: np.ndarray = (ends - (counts - 1) / 2)[group]
    return means


def _pearson(one: np.ndarray, other: np.ndarray) -> float:
    if len(one) < 2:
        return float("nan")
    a, b = one - one.mean(), other - other.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip((a @ b) / size, -1.0, 1.0)) if size > 0 else float("nan")
