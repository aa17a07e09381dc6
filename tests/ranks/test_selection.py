"""Which triplets are kept, against a slow plain reference."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from qarank.errors import AllocationError, NonFiniteError
from qarank.ranks.selection import Pool, Selection, hash_mask, select_triplets

SCORES = [0.0, -0.0, 1e-60, 0.5, 0.5, 1.0, 2.0, 3.0]  # few values, so that many tie
MIXED = Pool(sizes=(3, 2, 3), costs=(2, 5, 3), min_rank=1, max_rank=2)


def float64(scores: list[float]) -> Tensor:
    return torch.tensor(scores, dtype=torch.float64)


def one_matrix(size: int) -> Pool:
    return Pool(sizes=(size,), costs=(1,))


@st.composite
def pools(draw: st.DrawFn, *, is_limited: bool = True, cost: int | None = None) -> Pool:
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    costs = draw(st.lists(st.integers(1, 7), min_size=len(sizes), max_size=len(sizes)))
    least = draw(st.integers(0, 2)) if is_limited else 0
    most = draw(st.none() | st.integers(max(least, 1), 5)) if is_limited else None
    costs = costs if cost is None else [cost] * len(sizes)
    return Pool(tuple(sizes), tuple(costs), min_rank=least, max_rank=most)


@st.composite
def choices(draw: st.DrawFn, of: st.SearchStrategy[Pool]) -> tuple[list[float], int, Pool]:
    """Scores, a budget and a pool."""
    pool = draw(of)
    score = st.sampled_from(SCORES)
    scores = draw(st.lists(score, min_size=pool.total, max_size=pool.total))
    return scores, draw(st.integers(pool.least_cost, pool.whole_cost + 3)), pool


def choose(scores: list[float], budget: int, pool: Pool) -> tuple[Selection, list[int]]:
    """The selection, and the rank of each matrix."""
    selection = select_triplets(float64(scores), budget, pool)
    return selection, [int(part.sum()) for part in torch.split(selection.keep, list(pool.sizes))]


def choose_slowly(scores: list[float], budget: int, pool: Pool) -> list[bool]:
    """One triplet at a time, the best of those that are allowed; looks at all of them each time."""
    places = [(matrix, row) for matrix, size in enumerate(pool.sizes) for row in range(size)]
    worth = [scores[i] / pool.costs[places[i][0]] for i in range(len(places))]
    kept: list[int] = []

    def rank(matrix: int) -> int:
        return sum(places[i][0] == matrix for i in kept)

    def spent() -> int:
        return sum(pool.costs[places[i][0]] for i in kept)

    def best(allowed: list[int]) -> int:
        return min(allowed, key=lambda i: (-worth[i], i))

    for matrix, size in enumerate(pool.sizes):
        for _ in range(min(pool.min_rank, size)):
            own = [i for i in range(len(places)) if places[i][0] == matrix and i not in kept]
            kept.append(best(own))
    while True:
        allowed = [
            i
            for i, (matrix, _) in enumerate(places)
            if i not in kept
            and (pool.max_rank is None or rank(matrix) < pool.max_rank)
            and spent() + pool.costs[matrix] <= budget
        ]
        if not allowed:
            return [i in kept for i in range(len(places))]
        kept.append(best(allowed))


@given(choices(pools()))
def test_what_is_kept_is_what_taking_the_best_one_by_one_keeps(
    choice: tuple[list[float], int, Pool],
) -> None:
    scores, budget, pool = choice
    selection, _ = choose(*choice)
    assert selection.keep.tolist() == choose_slowly(scores, budget, pool)
    worth = (float64(scores) / pool.triplet_costs()).tolist()
    cut = [value for value, kept in zip(worth, selection.keep, strict=True) if not kept]
    assert selection.threshold == (max(cut) if cut else None)
    kept = [value for value, is_kept in zip(worth, selection.keep, strict=True) if is_kept]
    assert selection.margin == (min(kept) - max(cut) if cut and kept else None)


@given(choices(pools(cost=1, is_limited=False)))
def test_where_nothing_limits_no_score_cut_is_above_one_kept(
    choice: tuple[list[float], int, Pool],
) -> None:
    margin = choose(*choice)[0].margin
    assert margin is None or margin >= 0


def test_the_margin_is_of_scores_per_parameter_and_below_0_where_a_floor_overrides_them() -> None:
    by_parameters = Pool(sizes=(2, 2), costs=(2, 5))
    found, _ = choose([3.0, 2.0, 6.0, 4.0], 7, by_parameters)  # 1.5 1.0 1.2 0.8
    assert found.margin == pytest.approx(1.2 - 1.0)
    floor = Pool(sizes=(2, 2), costs=(1, 1), min_rank=1)
    assert choose([9.0, 8.0, 1.0, 0.0], 2, floor)[0].margin == 1.0 - 8.0


@pytest.mark.parametrize("budget", [0, 3])
def test_there_is_no_margin_where_nothing_or_everything_is_cut(budget: int) -> None:
    assert choose([1.0, 2.0, 3.0], budget, one_matrix(3))[0].margin is None


@given(choices(pools()))
def test_no_more_than_the_budget_is_spent_and_nothing_further_that_is_allowed_fits(
    choice: tuple[list[float], int, Pool],
) -> None:
    _, budget, pool = choice
    _, ranks = choose(*choice)
    spent = sum(rank * cost for rank, cost in zip(ranks, pool.costs, strict=True))
    assert pool.spend(ranks) == spent <= budget
    assert pool.is_full(ranks, budget)
    for rank, size, cost in zip(ranks, pool.sizes, pool.costs, strict=True):
        ceiling = size if pool.max_rank is None else min(size, pool.max_rank)
        assert min(size, pool.min_rank) <= rank <= ceiling
        assert rank == ceiling or spent + cost > budget


@given(choices(pools(cost=1)))
def test_exactly_the_budget_is_kept_in_triplets_ties_floors_and_ceilings_or_not(
    choice: tuple[list[float], int, Pool],
) -> None:
    _, budget, pool = choice
    _, ranks = choose(*choice)
    assert sum(ranks) == min(budget, pool.largest_cost)


@given(choices(pools(cost=1, is_limited=False)))
def test_where_nothing_limits_the_plain_best_are_kept_and_ties_go_to_the_earlier_triplet(
    choice: tuple[list[float], int, Pool],
) -> None:
    scores, budget, _ = choice
    selection, _ = choose(*choice)
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    assert selection.keep.nonzero().flatten().tolist() == sorted(order[:budget])


@given(choices(pools(is_limited=False)))
def test_a_triplet_is_passed_over_only_where_it_did_not_fit(
    choice: tuple[list[float], int, Pool],
) -> None:
    scores, budget, pool = choice
    keep = select_triplets(float64(scores), budget, pool).keep.tolist()
    costs = pool.triplet_costs().tolist()
    order = sorted(range(len(scores)), key=lambda i: (-scores[i] / costs[i], i))
    spent = 0
    for i in order:
        assert keep[i] == (spent + costs[i] <= budget)
        spent += costs[i] * keep[i]


@pytest.mark.parametrize("budget", range(9))
def test_a_thousand_ties_are_cut_as_exactly(budget: int) -> None:
    keep = select_triplets(float64([1.0] * 1000), budget, one_matrix(1000)).keep
    assert keep.tolist() == [True] * budget + [False] * (1000 - budget)


def test_in_parameters_the_score_per_parameter_decides() -> None:
    pool = Pool(sizes=(2, 2), costs=(2, 5))
    scores = [3.0, 2.0, 6.0, 4.0]  # per parameter 1.5 1.0 1.2 0.8
    for budget, ranks in [(6, [2, 0]), (7, [1, 1]), (9, [2, 1]), (13, [2, 1]), (14, [2, 2])]:
        assert choose(scores, budget, pool)[1] == ranks
    assert choose(scores, 7, pool)[0].threshold == 1.0


def test_a_triplet_that_no_longer_fits_makes_way_for_the_next_that_does() -> None:
    pool = Pool(sizes=(1, 1, 1), costs=(4, 5, 1))
    selection, _ = choose([8.0, 5.0, 0.5], 5, pool)
    assert selection.keep.tolist() == [True, False, True]


def test_the_least_rank_is_the_best_of_each_matrix() -> None:
    pool = Pool(sizes=(3, 3), costs=(1, 1), min_rank=1)
    assert choose([9, 8, 7, 1, 3, 2], 3, pool)[0].keep.tolist() == [1, 1, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("budget", "pool", "needed"),
    [(-1, one_matrix(3), 0), (-1, MIXED, 10), (9, MIXED, 10)],
)
def test_a_budget_too_small_is_told_with_what_is_needed(
    budget: int, pool: Pool, needed: int
) -> None:
    with pytest.raises(AllocationError, match=f"^budget is {budget}; at least {needed} is needed$"):
        select_triplets(float64([1.0] * pool.total), budget, pool)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("budget", [0, 1, 3])
def test_a_score_that_is_not_finite_ends_the_run(bad: float, budget: int) -> None:
    with pytest.raises(NonFiniteError, match="^a triplet's score is not finite") as caught:
        select_triplets(float64([1.0, bad, 2.0]), budget, one_matrix(3))
    assert caught.value.exit_code == 3


def test_a_pools_sums() -> None:
    assert (MIXED.total, MIXED.whole_cost, MIXED.least_cost, MIXED.largest_cost) == (8, 25, 10, 20)
    assert MIXED.spend([3, 0, 1]) == 9
    assert MIXED.triplet_costs().tolist() == [2, 2, 2, 5, 5, 3, 3, 3]
    free = replace(MIXED, min_rank=0, max_rank=None)
    assert (free.least_cost, free.largest_cost) == (0, 25)


def test_a_least_rank_above_a_matrix_keeps_it_whole() -> None:
    pool = Pool(sizes=(1, 3), costs=(4, 1), min_rank=2)
    assert pool.least_cost == 6
    assert choose([0.0, 1.0, 2.0, 3.0], 6, pool)[1] == [1, 2]


@pytest.mark.parametrize(
    ("ranks", "budget", "is_full"),
    [
        ([1, 1, 1], 11, True),  # 1 left, the cheapest costs 2
        ([1, 1, 1], 12, False),
        ([1, 1, 1], 9, False),  # more than the budget
        ([2, 1, 1], 14, True),  # 2 left would do for the first, which is at its ceiling
        ([2, 2, 2], 100, True),
    ],
)
def test_a_budget_is_used_up_where_nothing_more_may_be_kept(
    ranks: list[int], budget: int, is_full: bool
) -> None:
    assert MIXED.is_full(ranks, budget) == is_full


def test_every_pattern_has_a_hash_of_its_own() -> None:
    hashes = {hash_mask(torch.arange(8) == i) for i in range(8)}
    assert len(hashes) == 8 and all(len(digits) == 16 for digits in hashes)
