from typing import Any

import pytest

from qarank.squad.contexts import Question
from qarank.squad.nbest import Candidate
from qarank.workflows.predictions import list_predictions, place_candidate

ONE = Question("one", "Where?", ("In Oslo.",))
TWO = Question("two", "Where?", ("In Oslo.", "In Rome."))


def candidate(text: str, start: int, end: int, probability: float = 0.5) -> Candidate:
    return {"text": text, "probability": probability, "start": start, "end": end, "score": 1.0}


class Decided:
    """What is read of Decoded: the answers and candidates of ONE and TWO."""

    def __init__(self, answers: tuple[str, str], *, with_null: bool = True) -> None:
        self.predictions = dict(zip(("one", "two"), answers, strict=True))
        self.null_odds = {"one": -1.0, "two": 2.0} if with_null else {}
        self.nbest = {
            "one": [candidate("Oslo", 3, 7, 0.75), candidate("", -1, -1, 0.25)],
            "two": [
                candidate("", -1, -1, 0.5),
                candidate("Rome", 11, 15, 0.375),
                candidate("Oslo", 3, 7, 0.125),
            ],
        }


def describe(answers: tuple[str, str], n_best: int = 1, **options: bool) -> list[dict[str, Any]]:
    decided: Any = Decided(answers, **options)
    return [dict(row) for row in list_predictions([ONE, TWO], decided, n_best=n_best)]


def test_a_span_of_joined_contexts_is_one_of_its_own() -> None:
    placed = place_candidate(TWO, candidate("Rome", 11, 15))
    assert placed == {**candidate("Rome", 3, 7), "context": 1}
    assert TWO.contexts[1][3:7] == "Rome"
    assert place_candidate(TWO, candidate("", -1, -1))["context"] == -1
    assert place_candidate(ONE, candidate("Oslo", 3, 7)) == candidate("Oslo", 3, 7)


def test_an_answer_is_described_by_its_own_candidate() -> None:
    one, two = describe(("Oslo", "Rome"))
    assert one == {
        "id": "one",
        "question": "Where?",
        "answer": "Oslo",
        "is_impossible": False,
        "probability": 0.75,
        "start": 3,
        "end": 7,
        "null_odds": -1.0,
    }
    assert (two["probability"], two["context"], two["start"]) == (0.375, 1, 3)
    assert list(two)[: len(one)] == list(one)  # columns of a table stand in one order


@pytest.mark.parametrize("n_best", [1, 2, 9])
def test_candidates_are_placed_like_answers(n_best: int) -> None:
    one, two = describe(("", ""), n_best)
    assert (one["is_impossible"], one["probability"]) == (True, 0.25)
    assert (two["is_impossible"], two["probability"]) == (True, 0.5)
    if n_best == 1:
        assert "nbest" not in one
        return
    assert [entry["context"] for entry in two["nbest"]] == [-1, 1, 0][:n_best]
    assert all("context" not in entry for entry in one["nbest"])


def test_where_every_question_has_an_answer_there_are_no_odds() -> None:
    assert all("null_odds" not in row for row in describe(("Oslo", "Rome"), with_null=False))
