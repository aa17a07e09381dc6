"""How far figures would vary with other questions: bootstrap, and a paired randomisation test.

Both draw whole questions. Questions of like scores are interchangeable, so what is drawn is how
often each distinct score comes up: the same distribution, at a cost that grows with the number of
distinct scores, a hundred for SQuAD, and not with the number of questions. scipy.stats draws from
the same distributions one question at a time; the tests hold these to it.

Dims: n: questions; m: figures; distinct: different rows; resamples.
Source: Efron and Tibshirani, An Introduction to the Bootstrap, chapters 13 (percentiles) and 15
(randomisation tests).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEVEL = 0.95  # of every interval
MAX_DRAWS = 2_000_000  # numbers held at a time

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """What two systems differ by on the same questions.

    Attributes:
        difference: mean of the first minus mean of the second.
        interval: its LEVEL bootstrap interval, low and high.
        p_value: two-sided: how likely so large a difference is if, on every question, either
            system's score could as well be the other's.
    """

    difference: float
    interval: tuple[float, float]
    p_value: float


def bootstrap_intervals(scores: Floats, *, resamples: int, seed: int) -> list[tuple[float, float]]:
    """The LEVEL percentile interval of each figure's mean over the same questions.

    Args:
        scores: (n, m), n at least 1.
        resamples: data sets drawn, 1 or more.
        seed: 0 or more.

    Returns:
        (low, high) of each of the m figures.
    """
    means = resample_means(scores, resamples=resamples, seed=seed)
    return [percentile_interval(column) for column in means.T]


def resample_means(scores: Floats, *, resamples: int, seed: int) -> Floats:
    """Means over as many questions, drawn with replacement: (resamples, m); see above."""
    rows, counts = np.unique(scores, axis=0, return_counts=True)  # (distinct, m), (distinct,)
    generator = np.random.default_rng(seed)
    parts = []
    for size in _chunks(resamples, len(rows)):
        drawn = generator.multinomial(len(scores), counts / len(scores), size=size)
        parts.append(drawn @ rows / len(scores))  # (size, m)
    return np.concatenate(parts)


def percentile_interval(draws: Floats) -> tuple[float, float]:
    """Low and high between which LEVEL of the (resamples,) draws lie."""
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(draws, [tail, 1.0 - tail]).tolist()
    return low, high


def compare_paired(first: Floats, second: Floats, *, resamples: int, seed: int) -> Paired:
    """The difference of two systems' means over the same questions, and whether it is chance.

    Args:
        first: (n,) the scores of one system, n at least 1.
        second: (n,) those of the other.
        resamples: data sets drawn for the interval, and assignments for the test.
        seed: 0 or more.
    """
    apart = first - second
    (interval,) = bootstrap_intervals(apart[:, None], resamples=resamples, seed=seed)
    sums = flip_signs(apart, resamples=resamples, seed=seed)
    return Paired(
        difference=float(apart.mean()),
        interval=interval,
        p_value=two_sided_p(sums, float(apart.sum())),
    )


def flip_signs(apart: Floats, *, resamples: int, seed: int) -> Floats:
    """Sums of (n,) differences, each sign as likely as the other: (resamples,)."""
    sizes, counts = np.unique(np.abs(apart[apart != 0.0]), return_counts=True)  # (distinct,)
    generator = np.random.default_rng(seed)
    parts = []
    for size in _chunks(resamples, len(sizes)):
        plus = generator.binomial(counts, 0.5, size=(size, len(sizes)))
        parts.append((2 * plus - counts) @ sizes)
    return np.concatenate(parts)


def two_sided_p(draws: Floats, observed: float) -> float:
    """How many of the (resamples,) draws of chance are as far from 0 as what was observed.

    What was observed is counted in, so that no p value is 0.
    """
    least = abs(observed) * (1.0 - 1e-9) - 1e-12  # sums in another order differ in a digit
    return float((1 + np.count_nonzero(np.abs(draws) >= least)) / (1 + len(draws)))


def _chunks(resamples: int, width: int) -> list[int]:
    """Sizes that add up to resamples, each as many rows of width as may be held at a time."""
    most = max(1, MAX_DRAWS // max(width, 1))
    return [min(most, resamples - begin) for begin in range(0, resamples, most)]
