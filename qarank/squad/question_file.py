"""Questions to answer, with no gold answers: files of four shapes, standard input, or two texts.

JSON: SQuAD's nested form (its answers, if any, are not read) or a list of objects; JSON lines; CSV.
"""

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from qarank.errors import DataError
from qarank.squad.examples import Example
from qarank.squad.questions import describe, read_field, read_text
from qarank.squad.text_file import decode_text, parse_json, read_bytes

STDIN = "-"
NEEDED = ("question", "context")
ACCEPTED_ROW = "question, context and, if you like, id"
ACCEPTED_JSON = f"a list of objects with {ACCEPTED_ROW}, or SQuAD's own nested form"
LARGEST_CELL = 2**31 - 1  # characters; csv's own limit is shorter than a book

Row = tuple[str, object]  # where it stands, and what should be an object with the keys NEEDED


def read_questions(source: str) -> list[Example]:
    """Every question of a source, checked; those without an id are numbered from 0.

    Args:
        source: a file ending .json, .jsonl or .csv, with .gz or without; "-" reads JSON lines
            from standard input.

    Returns:
        Examples without gold answers in the order of the source, at least one, ids unique.

    Raises:
        DataError: the source or a row is wrong; the line says which, and what is allowed.
    """
    if source == STDIN:
        return collect_questions(_walk_json_lines(sys.stdin.buffer.read(), "stdin"), "stdin")
    path = Path(source).expanduser()
    walk = WALKERS.get(_ending(path))
    if walk is None:
        raise DataError(
            f"{source} does not end in .json, .jsonl or .csv (each also .gz); those can be read,"
            " and - is JSON lines from standard input"
        )
    content = read_bytes(path)
    if not content.strip():
        raise DataError(f"{path} is empty; every question needs {ACCEPTED_ROW}")
    return collect_questions(walk(content, str(path)), str(path))


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
    assert isinstance(row, Mapping)  # its texts have been read
    given = row.get("id")
    if given is None or given == "":
        return str(number)
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    return read_text(row, "id", where)


def _ending(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix


def _walk_json(content: bytes, name: str) -> Iterator[Row]:
    document = parse_json(content, name)
    if isinstance(document, Mapping) and "data" in document:
        yield from _walk_squad(document, name)
    elif isinstance(document, list):
        yield from ((f"{name}: [{number}]", row) for number, row in enumerate(document))
    else:
        raise DataError(f"{name} is {describe(document)}; it must be {ACCEPTED_JSON}")


def _walk_squad(document: Mapping[str, Any], name: str) -> Iterator[Row]:
    for article_number, article in enumerate(read_field(document, "data", list, name)):
        at = f"{name}: data[{article_number}]"
        for number, paragraph in enumerate(read_field(article, "paragraphs", list, at)):
            place = f"{at}.paragraphs[{number}]"
            context = read_text(paragraph, "context", place)
            for row_number, row in enumerate(read_field(paragraph, "qas", list, place)):
                where = f"{place}.qas[{row_number}]"
                yield where, {**row, "context": context} if isinstance(row, Mapping) else row


def _walk_json_lines(content: bytes, name: str) -> Iterator[Row]:
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            where = f"{name}: line {number}"
            yield where, parse_json(line, where)


def _walk_csv(content: bytes, name: str) -> Iterator[Row]:
    """Rows under a header; columns besides NEEDED and id are not looked at."""
    text = io.StringIO(decode_text(content, name), newline="")
    header: list[str] = []
    for line, cells in _read_cells(text, name):
        if not header:
            header = cells
            _check_header(header, name)
            continue
        where = f"{name}: line {line}"
        if len(cells) != len(header):
            raise DataError(f"{where} has {len(cells)} cells; the header has {len(header)}")
        yield where, dict(zip(header, cells, strict=True))


def _read_cells(text: io.StringIO, name: str) -> list[tuple[int, list[str]]]:
    """Rows that are not blank, with the line each begins at."""
    former_limit = csv.field_size_limit(LARGEST_CELL)  # one for the whole process
    reader = csv.reader(text, strict=True)
    rows = []
    line = 1
    try:
        for cells in reader:
            if cells:
                rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{name}: line {line} is not CSV ({error})") from error
    finally:
        csv.field_size_limit(former_limit)
    return rows


def _check_header(header: list[str], name: str) -> None:
    shown = ",".join(header)
    for key in (*NEEDED, "id"):
        if header.count(key) > 1:
            raise DataError(f"{name} has {header.count(key)} columns {key}; one is allowed")
        if key in NEEDED and key not in header:
            raise DataError(
                f"{name} has no column {key}; its first line is {describe(shown)} and must name"
                f" {ACCEPTED_ROW}, with commas between"
            )


WALKERS: Mapping[str, Callable[[bytes, str], Iterator[Row]]] = {
    ".json": _walk_json,
    ".jsonl": _walk_json_lines,
    ".csv": _walk_csv,
}
