from typing import Any

import pytest

from qarank.errors import DataError
from qarank.squad.examples import Example
from qarank.squad.questions import describe, read_question, read_text, shorten

CONTEXT = "the mason of the town"
ROW: dict[str, Any] = {
    "id": "q1",
    "question": " who?",
    "answers": [{"text": "mason", "answer_start": 4}, {"text": "mason", "answer_start": 4}],
}


def read(row: object, context: str = CONTEXT) -> Example:
    return read_question(row, title="Towns", context=context, where="f.json: data[0]")


def refuse(row: object, context: str = CONTEXT) -> str:
    with pytest.raises(DataError) as caught:
        read(row, context)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_question_becomes_an_example_and_double_answers_stay() -> None:
    example = read(ROW)
    assert example == Example("q1", "Towns", CONTEXT, " who?", ("mason", "mason"), (4, 4))


@pytest.mark.parametrize("flag", [{}, {"is_impossible": True, "plausible_answers": [{"text": 3}]}])
def test_an_unanswerable_question_has_no_answers_whatever_was_plausible(
    flag: dict[str, object],
) -> None:
    assert read(ROW | {"answers": []} | flag).is_impossible


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": 7}, "f.json: data[0].id is the number 7; it must be text"),
        ({"question": None}, "f.json: data[0] (id q1).question is null; it must be text"),
        (
            {"answers": {"text": ["mason"]}},
            "f.json: data[0] (id q1).answers is an object with keys text; it must be a list",
        ),
        (
            {"answers": ["mason"]},
            'f.json: data[0] (id q1).answers[0] is the text "mason";'
            " it must be an object with the key text",
        ),
        (
            {"answers": [{"text": "mason"}]},
            "f.json: data[0] (id q1).answers[0] has no key answer_start;"
            " it is an object with keys text",
        ),
        (
            {"answers": [{"text": "mason", "answer_start": "4"}]},
            'f.json: data[0] (id q1).answers[0].answer_start is the text "4";'
            " it must be a whole number",
        ),
        (
            {"answers": [{"text": "mason", "answer_start": True}]},
            "f.json: data[0] (id q1).answers[0].answer_start is true; it must be a whole number",
        ),
        (
            {"answers": [{"text": "", "answer_start": 0}]},
            "f.json: data[0] (id q1).answers[0].text is empty;"
            " an unanswerable question has no answers at all",
        ),
        (
            {"is_impossible": 1},
            "f.json: data[0] (id q1).is_impossible is the number 1; it must be true or false",
        ),
        (
            {"is_impossible": True},
            "f.json: data[0] (id q1) has answers and is_impossible true; it must be one of the two",
        ),
        (
            {"is_impossible": False, "answers": []},
            "f.json: data[0] (id q1) has no answers and is_impossible false;"
            " it must be one of the two",
        ),
        (
            {"question": "\ud800?"},
            "f.json: data[0] (id q1).question holds half a surrogate pair at 0;"
            " it must be whole Unicode",
        ),
    ],
)
def test_a_wrong_field_is_told_with_its_place_and_what_it_must_be(
    change: dict[str, object], message: str
) -> None:
    assert refuse(ROW | change) == message


@pytest.mark.parametrize("key", ["id", "question", "answers"])
def test_a_missing_key_is_named_with_those_that_are_there(key: str) -> None:
    message = refuse({name: value for name, value in ROW.items() if name != key})
    assert f"has no key {key}; it is an object with keys " in message


@pytest.mark.parametrize(
    ("text", "start", "context", "told"),
    [
        ("mason", 3, CONTEXT, '"mason", but its context has " maso" at 3; it occurs once, at 4'),
        ("the", 1, CONTEXT, 'has "he " at 1; it occurs 2 times'),
        ("baker", 4, CONTEXT, 'has "mason" at 4; it does not occur in the context'),
        ("mason", 400, CONTEXT, 'has "" at 400; it occurs once, at 4'),
        ("town", -4, CONTEXT, "has nothing at -4; it occurs once, at 17"),
        ("a\nb" * 30, 0, "x" * 200, '\\nb…", but its context has "xxx'),
    ],
)
def test_an_answer_out_of_place_is_shown_beside_what_stands_there(
    text: str, start: int, context: str, told: str
) -> None:
    message = refuse(ROW | {"answers": [{"text": text, "answer_start": start}]}, context)
    assert message.startswith("f.json: data[0] (id q1).answers[0] is ")
    assert told in message
    assert len(message) < 220


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([{"a": 1, "b": 2}] * 3, "a list of 3 objects with keys a, b"),
        ([{}], "a list of 1 objects with no keys"),
        (["x"], "a list of 1 texts"),
        ([], "an empty list"),
        (dict.fromkeys("abcdefgh"), "an object with keys a, b, c, d, e, f and 2 more"),
        ("x", 'the text "x"'),
        (None, "null"),
        (1.5, "the number 1.5"),
    ],
)
def test_a_value_is_described_by_what_is_in_it(value: object, words: str) -> None:
    assert describe(value) == words


def test_long_text_is_cut_and_stays_on_one_line() -> None:
    assert shorten("a\n" * 40) == '"' + "a\\n" * 19 + "a…" + '"'
    assert shorten("naïve") == '"naïve"'


def test_text_is_read_from_objects_only() -> None:
    with pytest.raises(DataError, match="^here is a list of 1 numbers; it must be an object"):
        read_text([1], "id", "here")
