import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.errors import DataError
from qarank.squad.answers import Aligned, align_answer, describe_misfit, read_answers
from qarank.squad.metric import normalize_answer

CONTEXT = "The mason met the\nMason of Ulm. A mason!"


@pytest.mark.parametrize(
    ("text", "start", "found"),
    [
        ("mason", 4, Aligned("mason", 4)),
        ("mason", 5, None),  # twice there: which?
        ("Ulm", 3, Aligned("Ulm", 27, "moved")),
        ("Ulm", -1, Aligned("Ulm", 27, "moved")),
        ("Ulm", 900, Aligned("Ulm", 27, "moved")),
        ("Ulm", None, Aligned("Ulm", 27, "placed")),
        ("mason", None, None),
        ("THE MASON", 14, Aligned("the\nMason", 14, "respelled")),
        (" mason  ", 3, Aligned("mason", 4, "respelled")),
        ("Ulmer", 27, None),
        ("baker", None, None),
        (" ", 900, None),
    ],
)
def test_an_answer_is_put_right_where_one_repair_is_possible(
    text: str, start: int | None, found: Aligned | None
) -> None:
    assert align_answer(text, start, CONTEXT) == found


@pytest.mark.parametrize(
    ("text", "context", "moves"),
    [
        ("art", "The party began", False),
        ("art", "The artist began", False),
        ("art", "The smart art, began", False),  # twice
        ("art", "The (art) began", True),
        ("Ulm", "Near Ulm", True),
        ("ß", "Große Straße", False),
        ("2", "In 1523", False),
        ("km", "The 5km way", True),
        ("東", "は東京", True),
        ("-art", "The state-art", True),
    ],
)
def test_an_answer_is_moved_to_words_and_not_into_one(text: str, context: str, moves: bool) -> None:
    moved = Aligned(text, context.index(text), "moved")
    assert align_answer(text, 0, context) == (moved if moves else None)


def test_an_answer_that_says_no_place_may_be_within_a_word() -> None:
    assert align_answer("art", None, "The party began") == Aligned("art", 5, "placed")


def test_an_answer_within_a_word_alone_is_told() -> None:
    assert describe_misfit("art", 0, "The party began") == (
        'is "art", but its context has "The" at 0; it occurs only within a longer word'
    )


def test_occurrences_that_overlap_are_two() -> None:
    assert align_answer("aa", None, "caaa") is None
    assert describe_misfit("aa", None, "caaa").endswith(
        "it occurs 2 times; say which by its answer_start"
    )


TEXTS = st.text("aAbB \n.ßİ", min_size=1)


@given(context=TEXTS, text=TEXTS, start=st.none() | st.integers(-3, 12))
def test_whatever_is_found_stands_there_and_says_the_same(
    context: str, text: str, start: int | None
) -> None:
    found = align_answer(text, start, context)
    if found is None:
        return
    assert context[found.start : found.start + len(found.text)] == found.text
    assert normalize_answer(found.text) == normalize_answer(text)
    assert (found.change is None) == ((found.text, found.start) == (text, start))


@given(context=TEXTS, data=st.data())
def test_an_answer_where_it_says_is_left_alone(context: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    assert align_answer(context[start:end], start, context) == Aligned(context[start:end], start)


@pytest.mark.parametrize(
    "record",
    [
        {"answers": [{"text": "a", "answer_start": 1}, {"text": "b", "answer_start": 2}]},
        {"answers": {"text": ["a", "b"], "answer_start": [1, 2]}},
        {"answer_text": ["a", "b"], "answer_start": [1, 2]},
        {"answer_text": ["a", "b"], "answer_start": [1.0, 2.0]},
    ],
)
def test_every_shape_of_answers_says_the_same(record: dict[str, Any]) -> None:
    assert read_answers(record, "x") == [("x.answers[0]", ("a", 1)), ("x.answers[1]", ("b", 2))]


@pytest.mark.parametrize(
    "record",
    [
        {"answers": ["a"]},
        {"answers": [{"text": "a"}]},
        {"answers": {"text": ["a"]}},
        {"answers": {"text": "a", "answer_start": None}},
        {"answer_text": "a"},
        {"answer_text": "a", "answer_start": math.nan},
    ],
)
def test_a_start_may_be_left_out(record: dict[str, Any]) -> None:
    assert read_answers(record, "x") == [("x.answers[0]", ("a", None))]


@pytest.mark.parametrize(
    "record",
    [
        {"answers": []},
        {"answers": None},
        {"answers": {"text": [], "answer_start": []}},
        {"answer_text": "", "answer_start": -1},
        {"answer_text": None, "answer_start": None},
        {"answer_text": []},
    ],
)
def test_no_answers_are_said_in_many_ways(record: dict[str, Any]) -> None:
    assert read_answers(record, "x") == []


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"answers": "Ulm"}, 'x.answers is the text "Ulm"; it must be a list of'),
        ({"answers": {"txt": []}}, "x.answers is an object with keys txt; it must be"),
        ({"answers": [3]}, "x.answers[0] is the number 3; it must be an object with the key text"),
        ({"answers": [{"answer_start": 3}]}, "x.answers[0] has no key text; it is"),
        ({"answers": [{"text": "", "answer_start": 0}]}, "x.answers[0].text is empty; an unans"),
        ({"answers": {"text": ["a", "b"], "answer_start": [1]}}, "x.answers has 2 texts and 1 st"),
        ({"answer_text": ["a"], "answer_start": 1}, "x.answers has 1 texts and the number 1 for"),
        (
            {"answers": [{"text": "a", "answer_start": "4"}]},
            'x.answers[0].answer_start is the text "4"; it must be a whole number',
        ),
        ({"answer_text": "a", "answer_start": True}, "x.answers[0].answer_start is true; it must"),
        ({"answer_text": "a", "answer_start": 1.5}, "x.answers[0].answer_start is the number 1.5"),
    ],
)
def test_other_shapes_are_told(record: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_answers(record, "x")
    assert str(caught.value).startswith(message)
