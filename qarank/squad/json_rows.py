"""Rows of JSON: SQuAD's nested form, a list of records, or one record a line."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from qarank.errors import DataError
from qarank.squad.columns import Columns
from qarank.squad.record_fields import describe
from qarank.squad.rows import ACCEPTED, Row
from qarank.squad.squad_json import walk_articles
from qarank.squad.text_file import ByteStream, parse_json

LIST_KEYS = ("data", "records")


def walk_json(
    head: Sequence[bytes], stream: ByteStream, columns: Columns, name: str, *, labelled: bool
) -> Iterator[Row]:
    """Rows of a stream whose text begins with { or [.

    It is JSON lines where the first line is a whole record and others follow; where the second line
    is one and the whole no JSON, it is told that the first is not.

    Args:
        head: lines that have been read, the last one the first with text.
        stream: the rest.
        columns: names of a record's keys.
        name: of the file, for messages.
        labelled: whether gold answers are wanted, for messages.

    Raises:
        DataError: it is not JSON, or holds no questions.
    """
    between: list[bytes] = []
    for line in stream:
        between.append(line)
        if line.strip():
            break
    follows = bool(between) and bool(between[-1].strip())
    if follows and _is_record(head[-1], columns):
        yield from _walk_lines(chain(head, between, stream), name)
        return
    content = b"".join([*head, *between, stream.read()])
    try:
        document = parse_json(content, name)
    except DataError:
        first = head[-1].strip()
        is_line = first.startswith(b"{") and not first.endswith(b"[")  # or a list begins there
        if follows and is_line and _is_record(between[-1], columns):
            parse_json(first, f"{name}: line {len(head)}")
        raise
    yield from walk_document(document, columns, name, labelled=labelled)


def walk_document(
    document: object, columns: Columns, name: str, *, labelled: bool
) -> Iterator[Row]:
    """Rows of a whole JSON document.

    Raises:
        DataError: its shape is none that is known.
    """
    if isinstance(document, dict) and not _list_key(document):
        if not columns.looks_like_record(document.keys()):
            raise DataError(_refuse(describe(document), name, labelled))
        yield Row(f"{name}: line 1", document, "flat")  # JSON lines, of which there is one
        return
    key = _list_key(document)
    items = document[key] if isinstance(document, dict) else document
    if not isinstance(items, list) or not _is_known(items, columns):
        of = f' under "{key}"' if key else ""
        raise DataError(_refuse(f"{describe(items)}{of}", name, labelled))
    if items and isinstance(items[0], dict) and "paragraphs" in items[0]:
        yield from walk_articles(items, f"{name}: {key}")
    else:
        for number, values in enumerate(items):
            yield Row(f"{name}: {key}[{number}]", values, "flat")


def _list_key(document: object) -> str:
    """Under which key a document has its list; "" where it is no object or has none."""
    if not isinstance(document, dict):
        return ""
    return next((key for key in LIST_KEYS if key in document), "")


def _is_known(items: list[Any], columns: Columns) -> bool:
    """Whether the first of them is an article or a record, or no object at all: then it is told."""
    first = items[0] if items else None
    if not isinstance(first, dict):
        return True
    return "paragraphs" in first or columns.looks_like_record(first.keys())


def _is_record(line: bytes, columns: Columns) -> bool:
    try:
        values = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return isinstance(values, dict) and not any(
        isinstance(values.get(key), list) for key in LIST_KEYS
    )


def _walk_lines(lines: Iterator[bytes], name: str) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = f"{name}: line {number}"
            yield Row(where, parse_json(line.rstrip(), where), "flat")


def _refuse(found: str, name: str, labelled: bool) -> str:
    return f"{name} is JSON but not SQuAD: found {found}; accepted is {ACCEPTED[labelled]}"
