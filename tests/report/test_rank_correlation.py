import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from qarank.report.rank_correlation import average_places, correlate_ranks

RANKS = st.lists(st.integers(0, 6), min_size=2, max_size=12)


def name(ranks: list[int]) -> dict[str, int]:
    return {f"layer.{number}": rank for number, rank in enumerate(ranks)}


@given(RANKS)
def test_ties_share_the_mean_of_their_places(ranks: list[int]) -> None:
    plain = [sum(other < rank for other in ranks) + (ranks.count(rank) + 1) / 2 for rank in ranks]
    assert average_places(ranks).tolist() == plain == rankdata(ranks).tolist()


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=12))
@settings(deadline=None)
def test_it_is_scipys(pairs: list[tuple[int, int]]) -> None:
    one, other = ([pair[place] for pair in pairs] for place in (0, 1))
    assume(len(set(one)) > 1 and len(set(other)) > 1)  # scipy warns of a pattern that is constant
    found = correlate_ranks([name(one), name(other)]).values
    assert found[0, 1] == pytest.approx(spearmanr(one, other).statistic)


def test_without_ties_it_is_the_textbooks_formula() -> None:
    one, other = [1, 2, 3, 4, 5], [2, 1, 4, 3, 5]
    squares = sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
    found = correlate_ranks([name(one), name(other)]).values
    assert found[0, 1] == pytest.approx(1 - 6 * squares / (5 * 24))


@given(RANKS)
def test_a_pattern_is_like_itself_and_unlike_its_opposite(ranks: list[int]) -> None:
    found = correlate_ranks([name(ranks), name(ranks), name([6 - rank for rank in ranks])]).values
    if len(set(ranks)) == 1:
        assert np.isnan(found).all()
    else:
        assert found[0, :2].tolist() == pytest.approx([1, 1])
        assert found[0, 2] == pytest.approx(-1)
        np.testing.assert_array_equal(found, found.T)


def test_a_value_worked_out_by_hand_with_ties() -> None:
    """Places 1 2.5 2.5 4 and 1.5 1.5 3 4: 3.75 / sqrt(4.5 * 4.5)."""
    found = correlate_ranks([name([0, 2, 2, 6]), name([1, 1, 3, 5])]).values
    assert found[0, 1] == pytest.approx(3.75 / 4.5)


def test_only_matrices_of_all_runs_count_whatever_their_order() -> None:
    one = {"a": 1, "b": 2, "c": 3}
    other = {"d": 9, "c": 6, "b": 5, "a": 4}
    found = correlate_ranks([one, other])
    assert (found.common, found.left_out) == (3, 1)
    assert found.values[0, 1] == pytest.approx(1.0)


@pytest.mark.parametrize("other", [{"z": 1}, {"a": 1}, {"a": 4, "b": 4}])
def test_where_nothing_can_be_said_there_is_none(other: dict[str, int]) -> None:
    found = correlate_ranks([{"a": 1, "b": 2}, other])
    assert found.rows()[0][1] is None
