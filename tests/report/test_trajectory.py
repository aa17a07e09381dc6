import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.report.trajectory import describe_rounds, mean_by_kind, thin

COSTS = {"q": 10, "k": 30}
FIRST = {"global_step": 4, "budget": 5, "threshold": 0.5, "ranks": {"q": 3, "k": 2}, "revived": 0}
SECOND = {**FIRST, "global_step": 6, "ranks": {"q": 4, "k": 0}, "revived": 1, "margin": 0.25}


def test_a_round_says_what_is_kept_what_it_costs_and_what_changed() -> None:
    first, second = describe_rounds([FIRST, SECOND], COSTS, r=3)
    assert (first.global_step, first.triplets, first.parameters, first.changed) == (4, 5, 90, 1)
    assert (second.triplets, second.parameters, second.changed) == (4, 40, 2)
    assert (second.revived, second.ranks) == (1, {"q": 4, "k": 0})


def test_a_round_of_an_older_version_has_no_margin() -> None:
    first, second = describe_rounds([FIRST, SECOND], COSTS, r=3)
    assert (first.margin, second.margin) == (None, 0.25)


def test_a_matrix_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        describe_rounds([FIRST], {"q": 10}, r=3)


@given(st.integers(0, 500), st.integers(2, 30))
def test_thinned_rows_are_few_in_order_and_hold_the_first_and_the_last(
    count: int, most: int
) -> None:
    rows = list(range(count))
    shown = thin(rows, most)
    assert len(shown) == min(count, most)
    assert shown == sorted(set(shown))
    assert not rows or (shown[0], shown[-1]) == (rows[0], rows[-1])


def test_means_are_of_the_matrices_of_a_kind_rank_0_among_them() -> None:
    ranks = {"0.q": 4, "0.k": 1, "1.q": 0, "1.k": 2}
    kinds = {path: path[2:] for path in ranks}
    assert mean_by_kind(ranks, kinds) == {"q": 2.0, "k": 1.5}
