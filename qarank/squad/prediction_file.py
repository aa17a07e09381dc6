"""Files of answers and of no-answer scores: JSON {question id: value}, packed with gzip or not."""

from pathlib import Path

from qarank.errors import DataError
from qarank.squad.text_file import parse_json, read_bytes


def read_predictions(path: Path) -> dict[str, str]:
    """Read {"question id": "answer text"} from a JSON file, packed with gzip or not.

    Raises:
        DataError: the file cannot be read or holds something else.
    """
    allowed = '{"question id": "answer text", ...}'
    answers: dict[str, str] = {}
    for key, value in _read_object(path, allowed).items():
        if not isinstance(value, str):
            raise DataError(f"{path}: {key!r} has {_describe(value)}; allowed is {allowed}")
        answers[key] = value
    return answers


def read_na_prob(path: Path) -> dict[str, float]:
    """Read {"question id": number} from a JSON file, packed with gzip or not.

    Raises:
        DataError: the file cannot be read or holds something else.
    """
    allowed = '{"question id": number, ...}'
    numbers: dict[str, float] = {}
    for key, value in _read_object(path, allowed).items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise DataError(f"{path}: {key!r} has {_describe(value)}; allowed is {allowed}")
        numbers[key] = float(value)
    return numbers


def _read_object(path: Path, allowed: str) -> dict[str, object]:
    found = parse_json(read_bytes(path), str(path))
    if not isinstance(found, dict):
        raise DataError(f"{path} holds {_describe(found)}; allowed is {allowed}")
    return found


def _describe(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", type(None): "null", bool: "a bool"}
    return names.get(type(value), f"the number {value}")
