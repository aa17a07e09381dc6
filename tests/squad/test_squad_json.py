import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from qarank.errors import DataError
from qarank.squad.squad_json import read_squad_file

QUESTION: dict[str, Any] = {
    "id": "q1",
    "question": "who?",
    "answers": [{"text": "mason", "answer_start": 4}],
}
PARAGRAPH: dict[str, Any] = {"context": "the mason", "qas": [QUESTION]}
ARTICLE: dict[str, Any] = {"title": "Towns", "paragraphs": [PARAGRAPH]}


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def refuse(path: Path) -> str:
    """The one line a file is refused with, without its path."""
    with pytest.raises(DataError) as caught:
        read_squad_file(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


@pytest.mark.parametrize("encode", [bytes, gzip.compress, lambda text: b"\xef\xbb\xbf" + text])
def test_plain_and_gzip_and_marked_utf_8_are_read_alike(tmp_path: Path, encode: Any) -> None:
    path = tmp_path / "data.json"
    path.write_bytes(encode(json.dumps({"version": "v2.0", "data": [ARTICLE]}).encode()))
    ((where, example),) = read_squad_file(path)
    assert where == f"{path}: data[0].paragraphs[0].qas[0]"
    assert (example.id, example.title, example.answers) == ("q1", "Towns", ("mason",))


def test_questions_come_in_file_order_with_their_places(tmp_path: Path) -> None:
    second = {
        "paragraphs": [
            {"context": "x", "qas": []},
            {"context": "y", "qas": [QUESTION | {"id": "q2", "answers": []}]},
        ]
    }
    rows = read_squad_file(write(tmp_path / "d.json", {"data": [ARTICLE, second]}))
    assert [(where.split(": ")[1], example.id) for where, example in rows] == [
        ("data[0].paragraphs[0].qas[0]", "q1"),
        ("data[1].paragraphs[1].qas[0]", "q2"),
    ]
    assert rows[1][1].title == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", " is empty; accepted is SQuAD's"),
        (b" \n", " is empty; accepted is SQuAD's"),
        (b'{"data": [\n  1,\n  oops]}', " is not JSON: Expecting value at line 3 column 3"),
        (b"id,question\n1,who", " is not JSON: Expecting value at line 1 column 1"),
        (b'{"a": 1}\n{"a": 2}', " is not JSON: Extra data at line 2 column 1"),
        (b'{"a": "\xff"}', " is no UTF-8 text: see byte 7"),
        (b"[" * 200_000, " is not JSON that can be read (maximum recursion depth"),
        (b"[" + b"9" * 5000 + b"]", " is not JSON that can be read (Exceeds the limit"),
    ],
)
def test_what_is_not_json_is_told_with_the_place(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "data.json"
    path.write_bytes(content)
    assert refuse(path).startswith(message)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ([{"a": 1, "b": 2}] * 3, "found a list of 3 objects with keys a, b;"),
        ({"rows": []}, "found an object with keys rows;"),
        ({"data": {"x": 1}}, 'found an object with keys x under "data";'),
        ("text", 'found the text "text";'),
        (None, "found null;"),
    ],
)
def test_json_that_is_not_squad_is_described(tmp_path: Path, document: object, found: str) -> None:
    message = refuse(write(tmp_path / "data.json", document))
    assert message.startswith(f" is JSON but not SQuAD: {found}")
    assert message.endswith(
        '{"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers"}]}]}]}'
    )


@pytest.mark.parametrize(
    ("articles", "message"),
    [
        ([], " holds no questions; accepted is"),
        ([ARTICLE | {"paragraphs": []}], " holds no questions; accepted is"),
        ([{"id": 1}], ": data[0] has no key paragraphs; it is an object with keys id"),
        ([ARTICLE, 3], ": data[1] is the number 3; it must be an object with the key paragraphs"),
        ([ARTICLE | {"title": 3}], ": data[0].title is the number 3; it must be text"),
        ([ARTICLE | {"paragraphs": {}}], ": data[0].paragraphs is an object with no keys; it must"),
        ([ARTICLE | {"paragraphs": [{"qas": []}]}], ": data[0].paragraphs[0] has no key context;"),
        (
            [ARTICLE | {"paragraphs": [PARAGRAPH | {"context": " "}]}],
            ": data[0].paragraphs[0].context is empty; every question needs a passage",
        ),
        (
            [ARTICLE | {"paragraphs": [PARAGRAPH | {"context": "a mason"}]}],
            ': data[0].paragraphs[0].qas[0] (id q1).answers[0] is "mason", but its context has'
            ' "son" at 4; it occurs once, at 2',
        ),
        (
            [ARTICLE | {"paragraphs": [PARAGRAPH, PARAGRAPH | {"qas": [QUESTION, {"id": "q9"}]}]}],
            ": data[0].paragraphs[1].qas[1] (id q9) has no key question; it is an object with",
        ),
    ],
)
def test_a_wrong_row_is_told_with_its_place(
    tmp_path: Path, articles: list[object], message: str
) -> None:
    assert refuse(write(tmp_path / "data.json", {"data": articles})).startswith(message)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    assert refuse(tmp_path / "none.json") == " does not exist"
    assert refuse(tmp_path) == " is a folder; name the file in it"


def test_a_truncated_gzip_is_told(tmp_path: Path) -> None:
    whole = gzip.compress(json.dumps({"data": [ARTICLE] * 50}).encode())
    path = tmp_path / "data.json.gz"
    for length in (len(whole) // 2, len(whole) - 4):
        path.write_bytes(whole[:length])
        assert refuse(path) == " is cut short: its gzip stream has no end"


def test_a_damaged_gzip_is_told(tmp_path: Path) -> None:
    path = tmp_path / "data.json.gz"
    whole = gzip.compress(json.dumps({"data": [ARTICLE] * 50}).encode())
    for damaged in (whole[:-8] + b"\0" * 8, whole[:12] + b"\xff" * 20 + whole[32:]):
        path.write_bytes(damaged)
        assert re.match(r" is damaged gzip \(.+\)$", refuse(path))


def test_a_file_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "data.json", {})

    def deny(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", deny)
    assert refuse(path) == " cannot be read (Permission denied)"


@pytest.mark.parametrize(
    ("name", "questions", "answerable"),
    [
        ("squad_v2_train", 29281, 22571),
        ("squad_v2_eval", 6078, 2910),
        ("squad_v2_dev_official", 11873, 5928),
        ("squad_v1_dev_official", 10570, 10570),
    ],
)
def test_real_squad_is_read_whole(
    squad_data: Path, name: str, questions: int, answerable: int
) -> None:
    examples = [example for _, example in read_squad_file(squad_data / f"{name}.json.gz")]
    assert len(examples) == questions
    assert sum(not example.is_impossible for example in examples) == answerable
