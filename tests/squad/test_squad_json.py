from typing import Any

import pytest

from qarank.errors import DataError
from qarank.squad.rows import Row
from qarank.squad.squad_json import walk_articles

QUESTION: dict[str, Any] = {"id": "q1", "question": "who?", "answers": []}
PARAGRAPH: dict[str, Any] = {"context": "the mason", "qas": [QUESTION]}
ARTICLE: dict[str, Any] = {"title": "Towns", "paragraphs": [PARAGRAPH]}


def test_questions_come_in_file_order_with_their_places_context_and_title() -> None:
    second = {"paragraphs": [{"context": "x", "qas": []}, {"context": "y", "qas": [3, QUESTION]}]}
    assert list(walk_articles([ARTICLE, second], "d.json: data")) == [
        Row(
            "d.json: data[0].paragraphs[0].qas[0]",
            QUESTION | {"context": "the mason", "title": "Towns"},
            "nested",
        ),
        Row("d.json: data[1].paragraphs[1].qas[0]", 3, "nested"),
        Row(
            "d.json: data[1].paragraphs[1].qas[1]",
            QUESTION | {"context": "y", "title": ""},
            "nested",
        ),
    ]


@pytest.mark.parametrize(
    ("articles", "message"),
    [
        ([{"id": 1}], "[0] has no key paragraphs; it is an object with keys id"),
        ([ARTICLE, 3], "[1] is the number 3; it must be an object with the key paragraphs"),
        ([ARTICLE | {"title": 3}], "[0].title is the number 3; it must be text"),
        ([ARTICLE | {"paragraphs": {}}], "[0].paragraphs is an object with no keys; it must"),
        ([ARTICLE | {"paragraphs": [{"qas": []}]}], "[0].paragraphs[0] has no key context;"),
        ([ARTICLE | {"paragraphs": [{"context": "x"}]}], "[0].paragraphs[0] has no key qas;"),
    ],
)
def test_what_should_hold_questions_and_does_not_is_told_with_its_place(
    articles: list[Any], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        list(walk_articles(articles, "d.json: data"))
    assert str(caught.value).startswith(f"d.json: data{message}")
