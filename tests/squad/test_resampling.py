import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, permutation_test

from qarank.squad.resampling import bootstrap_intervals, compare_paired

SCORES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 2 / 3, 1.0]), min_size=1, max_size=9)


def slow_bootstrap(scores: np.ndarray, resamples: int) -> np.ndarray:
    """Question numbers drawn one data set after the other: (resamples, m) means."""
    generator = np.random.default_rng(1)
    count = len(scores)
    return np.array(
        [scores[generator.integers(count, size=count)].mean(axis=0) for _ in range(resamples)]
    )


def exact_p(apart: np.ndarray) -> float:
    """Every assignment of signs tried."""
    observed = abs(apart.sum())
    sums = [
        abs(sum(sign * size for sign, size in zip(signs, apart, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(apart))
    ]
    return sum(value >= observed - 1e-9 for value in sums) / len(sums)


def test_an_interval_is_that_of_questions_drawn_one_by_one() -> None:
    generator = np.random.default_rng(5)
    hits = (generator.random(400) < 0.7).astype(float)
    overlaps = np.maximum(hits, generator.choice([0.0, 0.4, 0.8], 400))
    scores = np.stack([hits, overlaps], axis=1)
    found = np.array(bootstrap_intervals(scores, resamples=4000, seed=0))
    wanted = np.quantile(slow_bootstrap(scores, 4000), [0.025, 0.975], axis=0).T
    assert found == pytest.approx(wanted, abs=0.006)


def test_interval_and_p_are_scipys() -> None:
    generator = np.random.default_rng(4)
    first = generator.choice([0.0, 0.5, 2 / 3, 1.0], 300, p=[0.3, 0.1, 0.1, 0.5])
    second = np.where(generator.random(300) < 0.3, generator.choice([0.0, 1.0], 300), first)
    found = compare_paired(first, second, resamples=9000, seed=0)
    wanted = bootstrap(
        (first - second,), np.mean, n_resamples=9000, method="percentile", rng=1, batch=500
    ).confidence_interval
    width = wanted.high - wanted.low
    assert found.interval == pytest.approx(tuple(wanted), abs=0.05 * width)
    tested = permutation_test(
        (first, second),
        lambda one, other, axis: (one - other).mean(axis=axis),
        permutation_type="samples",
        n_resamples=9000,
        vectorized=True,
        rng=1,
        batch=500,
    )
    assert 0.02 < tested.pvalue < 0.98
    assert found.p_value == pytest.approx(tested.pvalue, abs=0.025)


def test_an_interval_holds_the_true_mean_nineteen_times_of_twenty() -> None:
    generator = np.random.default_rng(2)
    held = 0
    for _ in range(300):
        scores = (generator.random((200, 1)) < 0.6).astype(float)
        ((low, high),) = bootstrap_intervals(scores, resamples=400, seed=0)
        held += low <= 0.6 <= high
    assert 270 <= held <= 297  # 285, give or take three standard deviations


@given(scores=SCORES, seed=st.integers(0, 3))
def test_an_interval_is_the_same_each_time_and_lies_within_the_scores(
    scores: list[float], seed: int
) -> None:
    column = np.array(scores)[:, None]
    first, again = (bootstrap_intervals(column, resamples=50, seed=seed) for _ in range(2))
    assert first == again
    assert min(scores) - 1e-9 <= first[0][0] <= first[0][1] <= max(scores) + 1e-9


def test_the_order_of_the_questions_does_not_matter() -> None:
    scores = np.random.default_rng(0).integers(0, 4, (300, 2)) / 3
    assert bootstrap_intervals(scores, resamples=99, seed=1) == bootstrap_intervals(
        scores[::-1], resamples=99, seed=1
    )


@given(data=st.data(), count=st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_the_p_value_is_that_of_all_assignments(data: st.DataObject, count: int) -> None:
    column = st.lists(st.sampled_from([0.0, 0.5, 2 / 3, 1.0]), min_size=count, max_size=count)
    first, second = np.array(data.draw(column)), np.array(data.draw(column))
    found = compare_paired(first, second, resamples=20_000, seed=0)
    assert found.difference == pytest.approx(first.mean() - second.mean())
    wanted = exact_p(first - second)
    spread = math.sqrt(wanted * (1 - wanted) / 20_000)
    assert found.p_value == pytest.approx(wanted, abs=5 * spread + 1e-4)


def test_equal_systems_differ_by_nothing_for_certain() -> None:
    found = compare_paired(np.ones(5), np.ones(5), resamples=100, seed=0)
    assert (found.difference, found.interval, found.p_value) == (0.0, (0.0, 0.0), 1.0)


def test_a_p_value_is_never_zero() -> None:
    found = compare_paired(np.ones(200), np.zeros(200), resamples=100, seed=0)
    assert found.p_value == 1 / 101


def test_the_two_systems_may_change_places() -> None:
    generator = np.random.default_rng(3)
    first, second = generator.integers(0, 2, (2, 150)).astype(float)
    here = compare_paired(first, second, resamples=3000, seed=0)
    there = compare_paired(second, first, resamples=3000, seed=0)
    assert there.difference == -here.difference
    assert there.p_value == here.p_value
    assert there.interval == pytest.approx((-here.interval[1], -here.interval[0]), abs=0.01)


def test_many_distinct_scores_are_drawn_in_parts() -> None:
    scores = np.random.default_rng(0).random((3000, 1))
    ((low, high),) = bootstrap_intervals(scores, resamples=1500, seed=0)
    half = 1.96 * scores.std() / math.sqrt(3000)
    assert (scores.mean() - low, high - scores.mean()) == pytest.approx((half, half), rel=0.15)
