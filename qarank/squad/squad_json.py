"""SQuAD's own JSON, plain or gzip: articles, their paragraphs, their questions.

Source: the files of rajpurkar/SQuAD-explorer, v1.1 (no is_impossible) and v2.0.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qarank.errors import DataError
from qarank.squad.examples import Example
from qarank.squad.questions import describe, read_field, read_question, read_text
from qarank.squad.text_file import parse_json, read_bytes

ACCEPTED = (
    'SQuAD\'s {"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers"}]}]}]}'
)


def read_squad_file(path: Path) -> list[tuple[str, Example]]:
    """All questions of a file in its order, each with its place, as data[0].paragraphs[2].qas[1].

    Raises:
        DataError: the file cannot be read, is not JSON or not SQuAD, or one of its rows is wrong.
    """
    content = read_bytes(path)
    if not content.strip():
        raise DataError(f"{path} is empty; accepted is {ACCEPTED}")
    document = parse_json(content, str(path))
    articles = document.get("data") if isinstance(document, dict) else None
    if not isinstance(articles, list):
        found = describe(document if articles is None else articles)
        of = "" if articles is None else ' under "data"'
        raise DataError(f"{path} is JSON but not SQuAD: found {found}{of}; accepted is {ACCEPTED}")
    rows = list(_walk_articles(articles, path))
    if not rows:
        raise DataError(f"{path} holds no questions; accepted is {ACCEPTED}")
    return rows


def _walk_articles(articles: list[Any], path: Path) -> Iterator[tuple[str, Example]]:
    for article_number, article in enumerate(articles):
        at = f"{path}: data[{article_number}]"
        paragraphs = read_field(article, "paragraphs", list, at)
        title = read_text(article, "title", at) if "title" in article else ""
        for number, paragraph in enumerate(paragraphs):
            yield from _walk_paragraph(paragraph, title, f"{at}.paragraphs[{number}]")


def _walk_paragraph(paragraph: object, title: str, at: str) -> Iterator[tuple[str, Example]]:
    context = read_text(paragraph, "context", at)
    if not context.strip():
        raise DataError(f"{at}.context is empty; every question needs a passage")
    for number, row in enumerate(read_field(paragraph, "qas", list, at)):
        where = f"{at}.qas[{number}]"
        yield where, read_question(row, title=title, context=context, where=where)
