from datetime import date

import pytest

from qarank.errors import DataError
from qarank.squad.record_fields import describe, read_field, read_id, read_text, shorten


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
        (date(2024, 2, 1), "a value of the kind date"),
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


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ("4", int, 'here.at is the text "4"; it must be a whole number'),
        (True, int, "here.at is true; it must be a whole number"),
        (1, bool, "here.at is the number 1; it must be true or false"),
        ({}, list, "here.at is an object with no keys; it must be a list"),
    ],
)
def test_a_field_of_another_kind_is_told(value: object, kind: type, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_field({"at": value}, "at", kind, "here")
    assert str(caught.value) == message


def test_half_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(DataError, match="^here.at holds half a surrogate pair at 1; it must be w"):
        read_text({"at": "a\ud800"}, "at", "here")


@pytest.mark.parametrize(("value", "text"), [("a", "a"), (7, "7"), (-1, "-1"), ("", "")])
def test_an_id_is_text_or_a_whole_number(value: object, text: str) -> None:
    assert read_id({"id": value}, "x") == text


@pytest.mark.parametrize("value", [True, 1.5, None, ["a"]])
def test_another_id_is_refused(value: object) -> None:
    with pytest.raises(DataError, match=r"^x\.id is .*; it must be text$"):
        read_id({"id": value}, "x")
