import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.squad.candidates import (
    Candidates,
    best_candidates,
    join_candidates,
    keep_best,
    merge_candidates,
    no_answers,
    rank_candidates,
    softmax_by_example,
)

Row = tuple[int, int, int, float]  # example, start, end, score
ROWS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 2),
        st.integers(3, 5),
        st.sampled_from([-1.0, 0.0, 0.5, 2.0]),
    ),
    max_size=25,
)


def build(rows: list[Row]) -> Candidates:
    example, start, end, score = zip(*rows, strict=True) if rows else ((), (), (), ())
    positions = [np.array(column, dtype=np.int64) for column in (example, start, end)]
    return Candidates(*positions, np.array(score, dtype=np.float64))


def rows_of(candidates: Candidates) -> list[Row]:
    columns = (candidates.example, candidates.start, candidates.end, candidates.score)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def plain_rank(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row[0], -row[3], row[1] < 0, row[1], row[2]))


@given(rows=ROWS)
def test_merging_keeps_the_largest_score_of_a_span(rows: list[Row]) -> None:
    largest: dict[tuple[int, int, int], float] = {}
    for *span, score in rows:
        key = (span[0], span[1], span[2])
        largest[key] = max(score, largest.get(key, -math.inf))
    assert rows_of(merge_candidates(build(rows))) == sorted(
        (*span, score) for span, score in largest.items()
    )


@given(rows=ROWS)
def test_ranking_equals_a_plain_sort(rows: list[Row]) -> None:
    assert rows_of(rank_candidates(build(rows))) == plain_rank(rows)


@given(rows=ROWS)
def test_the_best_is_the_first_of_the_ranked_or_no_answer_of_score_zero(rows: list[Row]) -> None:
    ranked = plain_rank(rows)
    wanted = [
        next((row for row in ranked if row[0] == example), (example, -1, -1, 0.0))
        for example in range(5)
    ]
    assert rows_of(best_candidates(build(rows), 5)) == wanted


@given(rows=ROWS, n_best_size=st.integers(1, 6))
def test_the_n_best_of_each_example_stay_and_no_answer_besides(
    rows: list[Row], n_best_size: int
) -> None:
    null = no_answers(np.arange(4), np.array([-9.0, 0.0, 0.5, 9.0]))
    ranked = rank_candidates(join_candidates([build(rows), null]))
    kept = rows_of(keep_best(ranked, n_best_size))
    for example in range(4):
        of_example = [row for row in rows_of(ranked) if row[0] == example]
        wanted = [
            row for place, row in enumerate(of_example) if place < n_best_size or row[1] == -1
        ]
        assert [row for row in kept if row[0] == example] == wanted


@given(rows=ROWS)
def test_probabilities_are_a_softmax_within_the_example(rows: list[Row]) -> None:
    ranked = rank_candidates(build(rows))
    weights = [math.exp(row[3]) for row in rows_of(ranked)]
    totals = [
        sum(
            weight
            for weight, other in zip(weights, rows_of(ranked), strict=True)
            if other[0] == row[0]
        )
        for row in rows_of(ranked)
    ]
    wanted = [weight / total for weight, total in zip(weights, totals, strict=True)]
    assert softmax_by_example(ranked).tolist() == pytest.approx(wanted)


def test_huge_scores_do_not_overflow_the_softmax() -> None:
    assert softmax_by_example(build([(0, 1, 2, 1e5), (0, 1, 3, -1e5)])).tolist() == [1.0, 0.0]


def test_a_span_stands_before_no_answer_of_the_same_score() -> None:
    rows = join_candidates([no_answers(np.array([0]), np.array([1.0])), build([(0, 4, 5, 1.0)])])
    assert [row[1] for row in rows_of(rank_candidates(rows))] == [4, -1]
