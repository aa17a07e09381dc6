from dataclasses import FrozenInstanceError

import pytest

from qarank.squad.examples import Example
from qarank.squad.sample import almanac

QUESTION = Example("q1", "Ports", "The port is Lisbon.", "Which port?", ("Lisbon",), (12,))


def test_an_example_without_answers_is_impossible() -> None:
    assert Example("q2", "", "The port is Lisbon.", "Which lake?").is_impossible
    assert not QUESTION.is_impossible


def test_an_example_cannot_be_changed_and_counts_by_its_content() -> None:
    with pytest.raises(FrozenInstanceError):
        QUESTION.question = "?"  # type: ignore[misc]
    same = Example("q1", "Ports", "The port is Lisbon.", "Which port?", ("Lisbon",), (12,))
    assert same == QUESTION and len({same, QUESTION}) == 1


@pytest.mark.parametrize("split", ["train", "validation"])
def test_answers_stand_in_the_context_where_they_say(split: str) -> None:
    for example in almanac(split)[:300]:
        for text, start in zip(example.answers, example.answer_starts, strict=True):
            assert example.context[start : start + len(text)] == text
