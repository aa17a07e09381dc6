import gzip
import zlib
from pathlib import Path

import pytest

from qarank.errors import DataError
from qarank.squad.text_file import decode_text, parse_json, read_bytes

TEXT = "Zoë ate 東京 ramen\r\n".encode()


@pytest.mark.parametrize("packed", [False, True])
def test_gzip_is_known_by_its_bytes_and_line_ends_stay(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(gzip.compress(TEXT, mtime=0) if packed else TEXT)
    assert decode_text(read_bytes(path), "x") == "Zoë ate 東京 ramen\r\n"


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert decode_text(b"\xef\xbb\xbfa", "x") == "a"
    assert parse_json(b"\xef\xbb\xbf[1]", "x") == [1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(TEXT, mtime=0)[:-6], "cut short or damaged: its gzip stream has no end"),
        (b"\x1f\x8b\x08\x04\0\0\0\0\0\0garbage", "cut short or damaged"),
        (gzip.compress(TEXT, mtime=0)[:10] + b"\xff" * 9, "damaged gzip"),
        (gzip.compress(TEXT, mtime=0)[:-8] + b"\0" * 8, "damaged gzip"),
    ],
)
def test_damaged_gzip_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "q.json.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^{path} is {message}") as raised:
        read_bytes(path)
    assert isinstance(raised.value.__cause__, EOFError | zlib.error | gzip.BadGzipFile)


def test_no_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone.json does not exist"):
        read_bytes(tmp_path / "gone.json")
    with pytest.raises(DataError, match="is a folder; name the file in it"):
        read_bytes(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1', "^x is not JSON: .* at column 8, and there the text ends$"),
        (b'{"a":\n', "^x is not JSON: .* at line 2 column 1, and there the text ends$"),
        (b'{"a": "b', "^x is not JSON: Unterm.* at column 7, and there the text ends$"),
        (b'{"a":\n tr', "^x is not JSON: .* at line 2 column 2, and there the text ends$"),
        (b"{}\nnull", "^x is not JSON: Extra data at line 2 column 1$"),
        (b'{"a": try}', "^x is not JSON: .* at column 7$"),
        (b'{"a": 1,}', "^x is not JSON: .* at column 9$"),
        (b'{"a": 1,\n"b" 2}', "^x is not JSON: .* at line 2 column 5$"),
        (b'"\xff"', "^x is no UTF-8 text: see byte 1$"),
        (b"[" * 200_000, "^x is not JSON that can be read"),
        (b"9" * 10_000, "^x is not JSON that can be read"),
    ],
)
def test_what_is_not_json_is_told_with_its_place(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_json(content, "x")
