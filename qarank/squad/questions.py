"""One question of a data set, checked field by field; every fault is one line with its place."""

import json
from collections.abc import Mapping
from typing import Any

from qarank.errors import DataError
from qarank.squad.examples import Example

SHOWN_CHARS = 40
KIND_NAMES = {str: "text", int: "a whole number", bool: "true or false", list: "a list"}


def read_question(row: object, *, title: str, context: str, where: str) -> Example:
    """Check a question in the official form and make an example of it.

    Args:
        row: {"id", "question", "answers": [{"text", "answer_start"}, ...], "is_impossible"?}.
        title: of its article.
        context: its passage.
        where: file or data set, and row, for the message.

    Returns:
        The example; gold answers as they are, twice the same ones included.

    Raises:
        DataError: a field is missing or of a wrong type, an answer is not in the context where
            it says, or is_impossible does not fit the answers.
    """
    question_id = read_text(row, "id", where)
    where = f"{where} (id {question_id})"
    question = read_text(row, "question", where)
    answers = [
        _read_answer(answer, context, f"{where}.answers[{number}]")
        for number, answer in enumerate(read_field(row, "answers", list, where))
    ]
    _check_impossible(row, bool(answers), where)
    return Example(
        id=question_id,
        title=title,
        context=context,
        question=question,
        answers=tuple(text for text, _ in answers),
        answer_starts=tuple(start for _, start in answers),
    )


def read_field(record: object, key: str, kind: type, where: str) -> Any:
    """record[key], which must be of that kind.

    Raises:
        DataError: record is no object, has no such key, or the value is of another kind.
    """
    if not isinstance(record, Mapping):
        raise DataError(f"{where} is {describe(record)}; it must be an object with the key {key}")
    if key not in record:
        raise DataError(f"{where} has no key {key}; it is {describe(record)}")
    value = record[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise DataError(f"{where}.{key} is {describe(value)}; it must be {KIND_NAMES[kind]}")
    return value


def read_text(record: object, key: str, where: str) -> str:
    """record[key], which must be text that UTF-8 can hold.

    Raises:
        DataError: as read_field, or the text holds half a surrogate pair, which no tokenizer takes.
    """
    text: str = read_field(record, key, str, where)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{where}.{key} holds half a surrogate pair at {error.start}; it must be whole Unicode"
        ) from error
    return text


def describe(value: object) -> str:
    """A JSON value in a few words: what it is and, for lists and objects, what is in it."""
    if isinstance(value, Mapping):
        return f"an object with {_describe_keys(value)}"
    if isinstance(value, list):
        return f"a list of {len(value)} {_describe_items(value)}" if value else "an empty list"
    if isinstance(value, str):
        return f"the text {shorten(value)}"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return f"the number {value}"


def shorten(text: str) -> str:
    """Text in quotes on one line, cut to 40 characters."""
    cut = text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"
    return json.dumps(cut, ensure_ascii=False)


def _describe_keys(value: Mapping[str, object]) -> str:
    keys = list(value)
    shown = ", ".join(str(key) for key in keys[:6])
    if not keys:
        return "no keys"
    return f"keys {shown}" + (f" and {len(keys) - 6} more" if len(keys) > 6 else "")


def _describe_items(items: list[Any]) -> str:
    first = items[0]
    if isinstance(first, Mapping):
        return f"objects with {_describe_keys(first)}"
    names = {str: "texts", list: "lists", bool: "truth values", int: "numbers", float: "numbers"}
    return names.get(type(first), "values")


def _read_answer(answer: object, context: str, where: str) -> tuple[str, int]:
    text = read_text(answer, "text", where)
    start: int = read_field(answer, "answer_start", int, where)
    if not text:
        raise DataError(f"{where}.text is empty; an unanswerable question has no answers at all")
    if start < 0 or context[start : start + len(text)] != text:
        found = shorten(context[start : start + len(text)]) if start >= 0 else "nothing"
        raise DataError(
            f"{where} is {shorten(text)}, but its context has {found} at {start};"
            f" {_tell_occurrences(text, context)}"
        )
    return text, start


def _tell_occurrences(text: str, context: str) -> str:
    first = context.find(text)
    if first < 0:
        return "it does not occur in the context"
    if first == context.rfind(text):
        return f"it occurs once, at {first}"
    return f"it occurs {context.count(text)} times"


def _check_impossible(row: object, has_answers: bool, where: str) -> None:
    """is_impossible may be left out (v1); plausible_answers of such questions are not gold."""
    if not isinstance(row, Mapping) or "is_impossible" not in row:
        return
    is_impossible = read_field(row, "is_impossible", bool, where)
    if is_impossible and has_answers:
        raise DataError(f"{where} has answers and is_impossible true; it must be one of the two")
    if not is_impossible and not has_answers:
        raise DataError(
            f"{where} has no answers and is_impossible false; it must be one of the two"
        )
