"""Fields of a record, checked: each is there and of its kind, or one line says what is there."""

import json
from collections.abc import Mapping
from typing import Any

from qarank.errors import DataError

SHOWN_CHARS = 40
KIND_NAMES = {str: "text", int: "a whole number", bool: "true or false", list: "a list"}


def read_field(record: object, key: str, kind: type, where: str) -> Any:
    """record[key], which must be of that kind.

    Raises:
        DataError: record is no object, has no such key, or the value is of another kind.
    """
    if not isinstance(record, dict):
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


def read_id(record: object, where: str) -> str:
    """record["id"], text, or a whole number as its digits.

    Raises:
        DataError: as read_text.
    """
    value = record.get("id") if isinstance(record, dict) else None
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number else read_text(record, "id", where)


def describe(value: object) -> str:
    """A value in a few words: what it is and, for lists and objects, what is in it."""
    if isinstance(value, dict):
        return f"an object with {_describe_keys(value)}"
    if isinstance(value, list):
        return f"a list of {len(value)} {_describe_items(value)}" if value else "an empty list"
    if isinstance(value, str):
        return f"the text {shorten(value)}"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float):
        return f"the number {value}"
    return f"a value of the kind {type(value).__name__}"  # Parquet has dates, bytes and more


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
    if isinstance(first, dict):
        return f"objects with {_describe_keys(first)}"
    names = {str: "texts", list: "lists", bool: "truth values", int: "numbers", float: "numbers"}
    return names.get(type(first), "values")
