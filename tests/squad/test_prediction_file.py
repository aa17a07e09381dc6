import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from qarank.errors import DataError
from qarank.squad.prediction_file import read_na_prob, read_predictions


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_files_are_read_packed_or_not(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(pack('{"a": "Zoë", "b": ""}'.encode()))
    assert read_predictions(path) == {"a": "Zoë", "b": ""}
    path.write_bytes(pack(b'{"a": 1, "b": -0.25}'))
    assert read_na_prob(path) == {"a": 1.0, "b": -0.25}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", r"holds a list; allowed is \{"),
        (b"3", "holds the number 3; allowed"),
        (b'{"a": null}', "'a' has null; allowed"),
        (b'{"a": ["x"]}', "'a' has a list; allowed"),
        (b'{"a": {"answer": "x"}}', "'a' has an object; allowed"),
        (b'{"a": true}', "'a' has a bool; allowed"),
        (b'{"a": ', "is not JSON"),
        (b"\xff\xfe\xfa", "is no UTF-8 text"),
        (gzip.compress(b"{}", mtime=0)[:9], "is cut short"),
    ],
)
@pytest.mark.parametrize("read", [read_predictions, read_na_prob])
def test_a_wrong_file_is_told_in_one_line(
    tmp_path: Path, read: Callable[[Path], object], content: bytes, message: str
) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_are_no_answers_and_text_is_no_probability(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text('{"a": 0.5}')
    with pytest.raises(DataError, match="'a' has the number 0.5; allowed is .*answer text"):
        read_predictions(path)
    path.write_text('{"a": "0.5"}')
    with pytest.raises(DataError, match="'a' has text; allowed is .*number"):
        read_na_prob(path)
    path.write_text('{"a": NaN}')
    with pytest.raises(DataError, match="'a' has the number nan"):
        read_na_prob(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.json does not exist"):
        read_predictions(tmp_path / "nothing.json")
