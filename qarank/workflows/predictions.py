"""Answers as people and programs are given them: one record a question."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

from qarank.squad.contexts import Question, locate_span
from qarank.squad.nbest import Candidate
from qarank.squad.postprocess import Decoded

FEWEST_KEPT = 2  # the best span and "no answer", whichever of them the threshold picks


class PlacedCandidate(Candidate):
    """A candidate; `context` is as in Prediction."""

    context: NotRequired[int]


class Prediction(TypedDict):
    """The answer to one question; answer == context[start:end], and -1 twice is "no answer".

    `context` says which of a question's contexts that is, from 0, and -1 for "no answer"; it is
    there only where several were given.
    """

    id: str
    question: str
    answer: str
    is_impossible: bool
    probability: float
    start: int
    end: int
    null_odds: NotRequired[float]
    context: NotRequired[int]
    nbest: NotRequired[list[PlacedCandidate]]


def list_predictions(
    questions: Sequence[Question], decoded: Decoded, *, n_best: int
) -> list[Prediction]:
    """A prediction a question.

    An answer's probability is its share among the candidates kept; where null_threshold picks
    another than the best of them, it is less than the best one's.

    Args:
        questions: as they were joined.
        decoded: their answers; FEWEST_KEPT candidates or more were kept.
        n_best: candidates listed a question; 1 lists none.
    """
    return [_describe_answer(question, decoded, n_best) for question in questions]


def _describe_answer(question: Question, decoded: Decoded, n_best: int) -> Prediction:
    answer = decoded.predictions[question.id]
    candidates = decoded.nbest[question.id]
    chosen = next(found for found in candidates if (found["start"] < 0) == (answer == ""))
    assert chosen["text"] == answer, "the best span is not among the candidates"
    placed = place_candidate(question, chosen)
    prediction: Prediction = {
        "id": question.id,
        "question": question.question,
        "answer": answer,
        "is_impossible": answer == "",
        "probability": placed["probability"],
        "start": placed["start"],
        "end": placed["end"],
    }
    if question.id in decoded.null_odds:
        prediction["null_odds"] = decoded.null_odds[question.id]
    if "context" in placed:
        prediction["context"] = placed["context"]
    if n_best > 1:
        prediction["nbest"] = [place_candidate(question, found) for found in candidates[:n_best]]
    return prediction


def place_candidate(question: Question, found: Candidate) -> PlacedCandidate:
    """A candidate in the joined contexts as one of its own context."""
    place = locate_span(question, found["start"], found["end"])
    placed: PlacedCandidate = {
        "text": found["text"],
        "probability": found["probability"],
        "start": place.start,
        "end": place.end,
        "score": found["score"],
    }
    if len(question.contexts) > 1:
        placed["context"] = place.context
    return placed
