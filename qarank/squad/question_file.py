"""Questions to answer, with no gold answers: a file of any known kind, standard input, records.

A record has a question and its context, or several of them as a list, contexts. In a table of text,
which has no lists, rows of one id and one question are one question with several contexts. Anywhere
else an id that comes again is a mistake. Gold answers that a file has are not read.
"""

import io
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from qarank.errors import DataError
from qarank.squad.cells import read_literal
from qarank.squad.columns import CONTEXTS, USUAL
from qarank.squad.contexts import Question
from qarank.squad.examples import Example
from qarank.squad.record_fields import read_field, read_id, read_text
from qarank.squad.record_file import read_rows, walk_stream
from qarank.squad.rows import Form, Row
from qarank.squad.source_names import expand_path
from qarank.squad.text_file import decode_text, read_bytes

STDIN = "-"
ACCEPTED_ROW = "question, context (or contexts, a list) and, if you like, id"
MISSING = (None, "")  # as in a table where another row has a value

Askable = Question | Example | Mapping[str, object]


class _Origin(NamedTuple):
    """Where a question came from, and whether the id is its own or its number."""

    where: str
    form: Form
    is_named: bool


def read_questions(source: str) -> list[Question]:
    """Every question of a source, checked; those without an id have their row's number, from 0.

    Args:
        source: a file of questions, JSON (a list of objects or SQuAD's nested form), JSON lines,
            CSV, TSV or Parquet, plain or gzip; "-" reads the same from standard input.

    Returns:
        Questions in the order of the source, each where its first row stands; at least one, ids
        unique.

    Raises:
        DataError: the source or a row is wrong; the line says which, and what is allowed.
    """
    if source == STDIN:
        # All of it: a pipe may be closed once it is read.
        stream = io.BufferedReader(io.BytesIO(sys.stdin.buffer.read()))
        rows, name = walk_stream(stream, USUAL, "stdin", labelled=False), "stdin"
    else:
        path = expand_path(source)
        rows, name = read_rows(path, USUAL, labelled=False), str(path)
    questions = collect_questions(rows)
    if not questions:
        raise DataError(f"{name} holds no questions; every question needs {ACCEPTED_ROW}")
    return questions


def take_questions(given: Iterable[Askable]) -> list[Question]:
    """Questions that a program asks.

    Args:
        given: records as check_question takes them, examples (whose gold answers are not looked
            at), or questions as they are.

    Raises:
        DataError: a record is wrong, or two have one id.
    """
    return _collect(_take(each, number) for number, each in enumerate(given))


def collect_questions(rows: Iterable[Row]) -> list[Question]:
    """Check rows one by one and against each other.

    Raises:
        DataError: a row is wrong, or its id has been another question's.
    """
    return _collect(_check_row(row, number) for number, row in enumerate(rows))


def check_question(record: object, *, number: int, where: str, form: Form = "flat") -> Question:
    """A question of one record.

    Args:
        record: {"question", "context" or "contexts", "id"?}; contexts is a list of one text or
            more, an id is text or a whole number.
        number: the id where the record has none.
        where: for the message.
        form: of the record; in cells a list is written out.

    Raises:
        DataError: a key is missing, of a wrong type, or a text is empty.
    """
    question = _read_filled(record, "question", where)
    assert isinstance(record, dict)
    contexts = _read_contexts(record, where, form)
    return Question(_read_id(record, number, where), question, contexts)


def read_context(path: Path) -> str:
    """A passage out of a text file, plain or gzip.

    Raises:
        DataError: it cannot be read, is no UTF-8 or has no text.
    """
    context = decode_text(read_bytes(path), str(path))
    if not context.strip():
        raise DataError(f"{path} is empty; it must hold the passage the question is about")
    return context


def _read_filled(row: object, key: str, where: str) -> str:
    text = read_text(row, key, where)
    if not text.strip():
        raise DataError(f"{where}.{key} is empty; it must be text")
    return text


def _take(given: Askable, number: int) -> tuple[Question, _Origin]:
    where = f"questions[{number}]"
    if isinstance(given, Question):
        return given, _Origin(where, "flat", is_named=True)
    if isinstance(given, Example):
        question = Question(given.id, given.question, (given.context,))
        return question, _Origin(where, "flat", is_named=True)
    record = dict(given) if isinstance(given, Mapping) else given  # checked all the same
    return _check_row(Row(where, record, "flat"), number)


def _check_row(row: Row, number: int) -> tuple[Question, _Origin]:
    question = check_question(row.values, number=number, where=row.where, form=row.form)
    assert isinstance(row.values, dict)
    return question, _Origin(row.where, row.form, row.values.get("id") not in MISSING)


def _collect(found: Iterable[tuple[Question, _Origin]]) -> list[Question]:
    """One question an id, each where it first came; those of text tables gather contexts."""
    questions: dict[str, Question] = {}
    origins: dict[str, _Origin] = {}
    for question, origin in found:
        known = questions.get(question.id)
        if known is None:
            questions[question.id], origins[question.id] = question, origin
            continue
        fault = _find_fault(known, origins[question.id], question, origin)
        if fault:
            raise DataError(fault)
        contexts = known.contexts + question.contexts
        questions[question.id] = replace(known, contexts=contexts)
    return list(questions.values())


def _find_fault(known: Question, first: _Origin, found: Question, origin: _Origin) -> str:
    """Why a question is no more of a known one with the same id; "" if it is."""
    is_one = found.question == known.question and first.is_named and origin.is_named
    if is_one and any(text in known.contexts for text in found.contexts):
        return f"{origin.where} repeats {first.where}: the id {found.id}, question and context"
    if is_one and first.form == origin.form == "cells":
        return ""
    advice = f"; several contexts of one question are a list, {CONTEXTS}" if is_one else ""
    return (
        f"{origin.where} has the id {found.id}, as has {first.where}; ids must differ, and a row"
        f" without one has its number, from 0{advice}"
    )


def _read_contexts(record: dict[str, object], where: str, form: Form) -> tuple[str, ...]:
    if form == "nested" or record.get(CONTEXTS) in MISSING:
        return (_read_filled(record, "context", where),)
    if record.get("context") not in MISSING:
        raise DataError(f"{where} has both context and {CONTEXTS}; it must have one of them")
    if form == "cells":
        record = {CONTEXTS: read_literal(str(record[CONTEXTS]))}
    texts = read_field(record, CONTEXTS, list, where)
    if not texts:
        raise DataError(f"{where}.{CONTEXTS} is an empty list; it must hold a text or more")
    named = {f"{CONTEXTS}[{place}]": text for place, text in enumerate(texts)}
    return tuple(_read_filled(named, name, where) for name in named)


def _read_id(record: dict[str, object], number: int, where: str) -> str:
    return str(number) if record.get("id") in MISSING else read_id(record, where)
