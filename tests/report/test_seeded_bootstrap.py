import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qarank.report.seeded_bootstrap import compare_seeded
from qarank.squad.resampling import compare_paired

Pair = tuple[np.ndarray, np.ndarray]


def draw_alike(generator: np.random.Generator, seeds: int, seed_sd: float, count: int) -> Pair:
    """Exact matches of two methods that are equally good but for their seeds and questions."""
    hardness = generator.normal(0.5, 1.5, count)
    methods = []
    for _ in range(2):
        own = hardness + generator.normal(0.0, 0.8, count)
        shift = generator.normal(0.0, seed_sd, (seeds, 1))
        methods.append((own + shift + generator.normal(0.0, 0.5, (seeds, count)) > 0).astype(float))
    return methods[0], methods[1]


def slow_draws(apart: np.ndarray, resamples: int) -> tuple[np.ndarray, np.ndarray]:
    """Differences under other questions and seeds, and under none: one question at a time."""
    generator = np.random.default_rng(7)
    seeds, count = apart.shape
    each = [sum(row) / count for row in apart]
    mean = sum(each) / seeds
    error = math.sqrt(sum((value - mean) ** 2 for value in each) / (seeds - 1) / seeds)
    others, none = [], []
    for _ in range(resamples):
        normals = generator.standard_normal(seeds)  # t: a normal over the root of a mean square
        seed_part = error * normals[0] / math.sqrt(sum(normals[1:] ** 2) / (seeds - 1))
        drawn = generator.integers(count, size=count)
        others.append(sum(apart[:, drawn].mean(axis=0)) / count + seed_part)
        signs = generator.choice([-1, 1], count)
        none.append(sum(signs * apart.mean(axis=0)) / count + seed_part)
    return np.array(others), np.array(none)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_interval_and_p_are_those_of_draws_made_one_by_one(seeds: int) -> None:
    generator = np.random.default_rng(seeds)
    first, second = draw_alike(generator, seeds, 0.1, 200)
    first = np.minimum(first + 0.04, 1.0)
    found = compare_seeded(first, second, resamples=20_000, seed=0)
    others, none = slow_draws(first - second, 4_000)
    wanted = np.quantile(others, [0.025, 0.975])
    width = wanted[1] - wanted[0]
    assert found.interval == pytest.approx(wanted, abs=0.1 * width)
    share = (np.abs(none) >= abs((first - second).mean())).mean()
    assert found.p_value == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / 4_000))


def test_one_seed_is_the_paired_comparison_of_the_two_runs() -> None:
    first, second = np.random.default_rng(0).integers(0, 4, (2, 1, 300)) / 3
    assert compare_seeded(first, second, resamples=500, seed=3) == compare_paired(
        first[0], second[0], resamples=500, seed=3
    )


@pytest.mark.parametrize("seed_sd", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_methods_that_are_alike_are_told_apart_one_time_of_twenty_at_most(
    seeds: int, seed_sd: float
) -> None:
    generator = np.random.default_rng(11)
    wrong = held = paired_wrong = 0
    for trial in range(300):
        first, second = draw_alike(generator, seeds, seed_sd, 250)
        found = compare_seeded(first, second, resamples=300, seed=trial)
        pooled = compare_paired(first.mean(0), second.mean(0), resamples=300, seed=trial)
        wrong += found.p_value <= 0.05
        paired_wrong += pooled.p_value <= 0.05
        held += found.interval[0] <= 0 <= found.interval[1]
    most = 15 + 2.5 * math.sqrt(300 * 0.05 * 0.95)
    assert wrong <= most
    assert 300 - held <= most
    if seed_sd == 0.4:  # what it would be to take these seeds for all there are
        assert paired_wrong > 60


def test_seeds_that_disagree_leave_more_to_chance_than_seeds_that_agree() -> None:
    generator = np.random.default_rng(1)
    base = (generator.random((1, 400)) < 0.6).astype(float)
    gains = np.zeros((3, 400))
    lost = np.flatnonzero(base[0] == 0)
    agreeing, disagreeing = gains.copy(), gains.copy()
    agreeing[:, lost[:40]] = 1.0
    for row, count in enumerate((0, 20, 100)):
        disagreeing[row, lost[:count]] = 1.0
    assert agreeing.sum() == disagreeing.sum()
    flat = np.repeat(base, 3, axis=0)
    sure, unsure = (
        compare_seeded(flat + extra, flat, resamples=2000, seed=0)
        for extra in (agreeing, disagreeing)
    )
    assert sure.difference == pytest.approx(unsure.difference) == pytest.approx(0.1)
    assert sure.p_value < 0.001 and sure.interval[0] > 0
    assert unsure.p_value > 0.2 and unsure.interval[0] < 0


def test_three_seeds_that_agree_closely_can_show_a_difference() -> None:
    generator = np.random.default_rng(5)
    second = (generator.random((3, 2000)) < 0.6).astype(float)
    first = np.where(generator.random((3, 2000)) < 0.15, 1.0, second)
    found = compare_seeded(first, second, resamples=2000, seed=0)
    assert found.p_value < 0.05
    assert found.interval[0] > 0


@given(seed=st.integers(0, 5), seeds=st.integers(1, 4))
@settings(deadline=None)
def test_the_two_methods_may_change_places_and_questions_theirs(seed: int, seeds: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = draw_alike(generator, seeds, 0.2, 120)
    here = compare_seeded(first, second, resamples=400, seed=seed)
    there = compare_seeded(second, first, resamples=400, seed=seed)
    moved = compare_seeded(first[:, ::-1], second[:, ::-1], resamples=400, seed=seed)
    assert (there.difference, there.p_value) == (-here.difference, here.p_value)
    assert moved.p_value == here.p_value
    assert moved.interval == pytest.approx(here.interval)
    assert here.interval[0] <= here.difference <= here.interval[1]


def test_equal_methods_differ_by_nothing_for_certain() -> None:
    scores = np.random.default_rng(0).random((3, 50))
    found = compare_seeded(scores, scores, resamples=100, seed=0)
    assert (found.difference, found.interval, found.p_value) == (0.0, (0.0, 0.0), 1.0)
