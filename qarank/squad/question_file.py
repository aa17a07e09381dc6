"""Questions to answer, with no gold answers: a file of any known kind, standard input, two texts.

Gold answers that a file has are not read.
"""

import io
import sys
from collections.abc import Iterable
from pathlib import Path

from qarank.errors import DataError
from qarank.squad.columns import NEEDED, USUAL
from qarank.squad.examples import Example
from qarank.squad.record_fields import read_text
from qarank.squad.record_file import read_rows, walk_stream
from qarank.squad.source_names import expand_path
from qarank.squad.text_file import decode_text, read_bytes

STDIN = "-"
ACCEPTED_ROW = "question, context and, if you like, id"

Row = tuple[str, object]  # where it stands, and what should be an object with the keys NEEDED


def read_questions(source: str) -> list[Example]:
    """Every question of a source, checked; those without an id are numbered from 0.

    Args:
        source: a file of questions, JSON (a list of objects or SQuAD's nested form), JSON lines,
            CSV, TSV or Parquet, plain or gzip; "-" reads the same from standard input.

    Returns:
        Examples without gold answers in the order of the source, at least one, ids unique.

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
    return collect_questions(((row.where, row.values) for row in rows), name)


def collect_questions(rows: Iterable[Row], name: str) -> list[Example]:
    """Check rows one by one and against each other.

    Raises:
        DataError: a row is wrong, two have one id, or there is none at all.
    """
    places: dict[str, str] = {}
    examples = []
    for number, (where, row) in enumerate(rows):
        example = check_question(row, number=number, where=where)
        if example.id in places:
            raise DataError(
                f"{where} has the id {example.id}, as has {places[example.id]}; ids must differ,"
                " and a row without one has its number, from 0"
            )
        places[example.id] = where
        examples.append(example)
    if not examples:
        raise DataError(f"{name} holds no questions; every question needs {ACCEPTED_ROW}")
    return examples


def check_question(row: object, *, number: int, where: str) -> Example:
    """An example of one row.

    Args:
        row: {"question", "context", "id"?}; an id is text or a whole number.
        number: the id where the row has none.
        where: for the message.

    Raises:
        DataError: a key is missing, of a wrong type, or a text is empty.
    """
    question, context = (_read_filled(row, key, where) for key in NEEDED)
    return Example(_read_id(row, number, where), title="", context=context, question=question)


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


def _read_id(row: object, number: int, where: str) -> str:
    assert isinstance(row, dict)  # its texts have been read
    given = row.get("id")
    if given is None or given == "":
        return str(number)
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    return read_text(row, "id", where)
