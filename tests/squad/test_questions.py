from typing import Any

import pytest

from qarank.squad.examples import Example
from qarank.squad.loaded_data import Fault, Mended
from qarank.squad.questions import read_question

CONTEXT = "the mason of the town"
ROW: dict[str, Any] = {
    "id": "q1",
    "title": "Towns",
    "context": CONTEXT,
    "question": " who?",
    "answers": [{"text": "mason", "answer_start": 4}, {"text": "mason", "answer_start": 4}],
}
AT = "f.json: data[0]"


def read(row: dict[str, Any]) -> tuple[Example, list[Mended]]:
    found = read_question(row, where=AT, file="f.json")
    assert not isinstance(found, Fault), found
    return found


def refuse(row: dict[str, Any]) -> Fault:
    found = read_question(row, where=AT, file="f.json")
    assert isinstance(found, Fault)
    assert "\n" not in found.line
    assert found.file == "f.json"
    return found


def test_a_question_becomes_an_example_and_double_answers_stay() -> None:
    example, mended = read(ROW)
    assert example == Example("q1", "Towns", CONTEXT, " who?", ("mason", "mason"), (4, 4))
    assert mended == []


def test_an_id_that_is_a_whole_number_is_its_digits() -> None:
    assert read(ROW | {"id": 7})[0].id == "7"


@pytest.mark.parametrize("title", [{}, {"title": None}])
def test_a_title_may_be_unknown(title: dict[str, None]) -> None:
    row = {key: value for key, value in ROW.items() if key != "title"}
    assert read(row | title)[0].title == ""


@pytest.mark.parametrize(
    "flag", [{}, {"is_impossible": None}, {"is_impossible": True, "plausible_answers": [{"t": 3}]}]
)
def test_an_unanswerable_question_has_no_answers_whatever_was_plausible(
    flag: dict[str, object],
) -> None:
    assert read(ROW | {"answers": []} | flag)[0].is_impossible


def test_what_is_said_to_have_no_answer_need_not_list_none() -> None:
    row = {key: value for key, value in ROW.items() if key != "answers"}
    assert read(row | {"is_impossible": True})[0].is_impossible
    assert refuse(row).line.startswith(f"{AT} (id q1) has no key answers; it is an object with")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": 7.5}, ".id is the number 7.5; it must be text"),
        ({"id": ""}, ".id is empty; it must be text"),
        ({"question": None}, " (id q1).question is null; it must be text"),
        ({"title": 3}, " (id q1).title is the number 3; it must be text"),
        ({"answers": 3}, " (id q1).answers is the number 3; it must be a list of"),
        ({"is_impossible": 1}, " (id q1).is_impossible is the number 1; it must be true or false"),
        ({"question": "\ud800?"}, " (id q1).question holds half a surrogate pair at 0;"),
    ],
)
def test_a_wrong_field_is_told_with_its_place_and_what_it_must_be(
    change: dict[str, object], message: str
) -> None:
    fault = refuse(ROW | change)
    assert fault.line.startswith(AT + message)
    assert fault.kind == "bad_records"
    assert fault.id == ("" if "id" in change else "q1")


@pytest.mark.parametrize("key", ["id", "question", "answers"])
def test_a_missing_key_is_named_with_those_that_are_there(key: str) -> None:
    line = refuse({name: value for name, value in ROW.items() if name != key}).line
    assert f"has no key {key}; it is an object with keys " in line


@pytest.mark.parametrize(
    ("change", "kind", "line"),
    [
        ({"context": " \n"}, "empty_contexts", "has an empty context; every question needs a"),
        (
            {"is_impossible": True},
            "impossible_against_answers",
            "has answers and is_impossible true; it must be one of the two",
        ),
        (
            {"is_impossible": False, "answers": []},
            "impossible_against_answers",
            "has no answers and is_impossible false; it must be one of the two",
        ),
    ],
)
def test_what_contradicts_itself_has_a_kind_of_its_own(
    change: dict[str, object], kind: str, line: str
) -> None:
    fault = refuse(ROW | change)
    assert (fault.kind, fault.id) == (kind, "q1")
    assert fault.line.startswith(f"{AT} (id q1) {line}")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"text": "the", "answer_start": 1}, '[0] is "the", but its context has "he " at 1; it o'),
        ({"text": "baker", "answer_start": 4}, 'has "mason" at 4; it does not occur in the con'),
        ({"text": "the", "answer_start": -4}, "has nothing at -4; it occurs 2 times"),
        ({"text": "the"}, '"the" without an answer_start, and it occurs 2 times; say which by its'),
        ({"text": "a\nb" * 30, "answer_start": 0}, '\\nb…", but its context has "the mason'),
    ],
)
def test_an_answer_out_of_place_is_shown_beside_what_stands_there(
    answer: dict[str, Any], told: str
) -> None:
    fault = refuse(ROW | {"answers": [answer]})
    assert fault.kind == "misaligned_answers"
    assert fault.line.startswith("f.json: data[0] (id q1).answers[0] is ")
    assert told in fault.line
    assert len(fault.line) < 220


def test_an_answer_that_can_stand_in_one_place_only_is_put_there_and_noted() -> None:
    answers = [{"text": "mason", "answer_start": 9}, {"text": "THE  town", "answer_start": 13}]
    example, mended = read(ROW | {"answers": answers})
    assert (example.answers, example.answer_starts) == (("mason", "the town"), (4, 13))
    assert mended == [
        Mended("q1", "f.json", "moved", '"mason" (at 9) is "mason" at 4'),
        Mended("q1", "f.json", "respelled", '"THE  town" (at 13) is "the town" at 13'),
    ]
