import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.squad.metric import score_v2
from qarank.squad.threshold import tune_threshold

ROWS = st.lists(
    st.tuples(
        st.sampled_from([("red",), ("red fox", "fox"), ()]),
        st.sampled_from(["red", "red fox", "blue"]),
        st.sampled_from([-3.0, -1.5, 0.0, 0.25, 2.0, 1e-300]),
    ),
    min_size=2,
    max_size=30,
)


def score(rows: list[tuple[tuple[str, ...], str, float]], threshold: float, metric: str) -> float:
    gold = {str(n): list(texts) for n, (texts, _, _) in enumerate(rows)}
    said = {str(n): "" if odds > threshold else text for n, (_, text, odds) in enumerate(rows)}
    return float(score_v2(gold, said)[metric])


@given(rows=ROWS, metric=st.sampled_from(["exact", "f1"]))
def test_no_threshold_scores_better(
    rows: list[tuple[tuple[str, ...], str, float]], metric: str
) -> None:
    gold = {str(n): list(texts) for n, (texts, _, _) in enumerate(rows)}
    answers = {str(n): text for n, (_, text, _) in enumerate(rows)}
    null_odds = {str(n): odds for n, (_, _, odds) in enumerate(rows)}
    found = score(rows, tune_threshold(gold, answers, null_odds, metric=metric), metric)
    tried = [-4.0, *(odds for _, _, odds in rows)]
    assert found == pytest.approx(max(score(rows, odds, metric) for odds in tried))


def test_the_threshold_stands_half_way_between_what_is_answered_and_what_is_not() -> None:
    gold = {"a": ["red"], "b": ["fox"], "c": [], "d": []}
    answers = {"a": "red", "b": "fox", "c": "red", "d": "red"}
    null_odds = {"a": -2.0, "b": 1.0, "c": 2.0, "d": 5.0}
    assert tune_threshold(gold, answers, null_odds, metric="f1") == 1.5
