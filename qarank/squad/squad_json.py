"""SQuAD's own JSON: articles, their paragraphs, their questions.

Source: the files of rajpurkar/SQuAD-explorer, v1.1 (no is_impossible) and v2.0.
"""

from collections.abc import Iterator
from typing import Any

from qarank.squad.record_fields import read_field, read_text
from qarank.squad.rows import Row


def walk_articles(articles: list[Any], name: str) -> Iterator[Row]:
    """A row a question, in file order, each with its paragraph's context and its article's title.

    Args:
        articles: [{"title"?, "paragraphs": [{"context", "qas": [...]}]}].
        name: of the list, for messages: FILE: data.

    Raises:
        DataError: what should hold questions does not.
    """
    for article_number, article in enumerate(articles):
        at = f"{name}[{article_number}]"
        paragraphs = read_field(article, "paragraphs", list, at)
        title = read_text(article, "title", at) if "title" in article else ""
        for number, paragraph in enumerate(paragraphs):
            yield from _walk_paragraph(paragraph, title, f"{at}.paragraphs[{number}]")


def _walk_paragraph(paragraph: object, title: str, at: str) -> Iterator[Row]:
    context = read_text(paragraph, "context", at)
    for number, question in enumerate(read_field(paragraph, "qas", list, at)):
        values = question
        if isinstance(question, dict):
            values = {**question, "context": context, "title": title}
        yield Row(f"{at}.qas[{number}]", values, "nested")
