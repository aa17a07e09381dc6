"""The bytes of a file, unpacked, and the JSON or text in them; every fault is one line."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from qarank.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"


def read_bytes(path: Path) -> bytes:
    """A file's content; gzip is known by its first bytes, not by the file's name.

    Raises:
        DataError: there is no such file, it cannot be read, or its gzip is damaged.
    """
    require_file(path)
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content
    except EOFError as error:
        raise DataError(f"{path} is cut short: its gzip stream has no end") from error
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
        place = f"line {error.lineno} column {error.colno}" if "\n" in text.strip() else ""
        place = place or f"column {error.colno}"
        raise DataError(f"{where} is not JSON: {error.msg} at {place}") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, endless nests
        raise DataError(f"{where} is not JSON that can be read ({error})") from error
