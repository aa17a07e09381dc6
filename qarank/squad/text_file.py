"""The bytes of a file, unpacked, and the JSON or text in them; every fault is one line."""

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from qarank.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
WORDS = ("true", "false", "null")  # of JSON


class ByteStream(Protocol):
    """What an open file and an open gzip file have in common."""

    def peek(self, size: int, /) -> bytes:
        """Bytes that come next, about as many; they stay to be read."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; all that are left where size is below 0."""

    def __iter__(self) -> Iterator[bytes]:
        """The lines that are left, their ends kept."""


def read_bytes(path: Path) -> bytes:
    """A file's content, unpacked.

    Raises:
        DataError: as `open_unpacked`.
    """
    with open_unpacked(path) as stream:
        return stream.read()


@contextmanager
def open_unpacked(path: Path) -> Iterator[ByteStream]:
    """A file to read from; gzip is known by its first bytes, not by the file's name.

    Raises:
        DataError: there is no such file, it cannot be read, or, also while it is being read, its
            gzip is damaged.
    """
    require_file(path)
    try:
        with path.open("rb") as file:
            if file.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC):
                with gzip.open(file) as unpacked:
                    yield unpacked
            else:
                yield file
    except EOFError as error:
        raise DataError(f"{path} is cut short or damaged: its gzip stream has no end") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged gzip ({error})") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from error


def require_file(path: Path) -> None:
    """Refuse a path that is no file."""
    if not path.exists():
        raise DataError(f"{path} does not exist")
    if path.is_dir():
        raise DataError(f"{path} is a folder; name the file in it")


def decode_text(content: bytes, where: str) -> str:
    """UTF-8 with or without a byte order mark; line ends stay as they are.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is no UTF-8 text: see byte {error.start}") from error


def parse_json(content: bytes, where: str) -> Any:
    """The JSON document in some bytes.

    Raises:
        DataError: it is not JSON; the line says at which line and column.
    """
    text = decode_text(content, where)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        is_long = "\n" in text.strip() or error.lineno > 1
        place = f"line {error.lineno} column {error.colno}" if is_long else f"column {error.colno}"
        reason = error.msg.removesuffix(" at")  # "starting at"
        end = ", and there the text ends" if _is_cut(error) else ""
        raise DataError(f"{where} is not JSON: {reason} at {place}{end}") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, endless nests
        raise DataError(f"{where} is not JSON that can be read ({error})") from error


def _is_cut(error: json.JSONDecodeError) -> bool:
    """Whether what is wrong is that the text ends: in a string, in a word, or where more is due."""
    rest = error.doc[error.pos :].strip()
    if error.msg == "Expecting value":
        return any(word.startswith(rest) for word in WORDS)
    return error.msg.startswith("Unterminated") or not rest
