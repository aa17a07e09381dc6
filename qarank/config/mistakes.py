"""Pydantic's findings on a recipe as lines for its author: the key, what it is, what is allowed.

What is allowed is read off the JSON Schema, so a line cannot differ from the type it explains.
"""

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from qarank.config.json_schema import build_json_schema

Node = dict[str, Any]
BOUNDS = (
    ("minimum", "at least"),
    ("exclusiveMinimum", "above"),
    ("maximum", "at most"),
    ("exclusiveMaximum", "below"),
)
SHOWN_CHARS = 60


@dataclass(frozen=True)
class Mistake:
    """One line about one key.

    Attributes:
        key: dotted path; "" where the line is about several keys.
        line: the whole sentence, without the file's name.
        unknown: the key does not exist.
    """

    key: str
    line: str
    unknown: bool = False


def list_mistakes(
    error: ValidationError, asked: Mapping[str, Any], schema: Node | None = None
) -> list[Mistake]:
    """One mistake a key, unknown keys first: a mistyped key explains a missing one.

    Args:
        error: what validation found.
        asked: the mapping that was validated.
        schema: JSON Schema of what was validated; None: a recipe.
    """
    schema = schema or build_json_schema()
    found = {mistake.key or mistake.line: mistake for mistake in _read_all(error, asked, schema)}
    return sorted(found.values(), key=lambda mistake: not mistake.unknown)


def _read_all(error: ValidationError, asked: Mapping[str, Any], schema: Node) -> Iterator[Mistake]:
    for detail in error.errors(include_url=False):
        if detail["type"] == "value_error":
            yield Mistake("", str(detail["ctx"]["error"]))
            continue
        path = _key_path(detail, schema)
        key = ".".join(path)
        if detail["type"] in ("extra_forbidden", "invalid_key"):
            yield Mistake(key, f"unknown key {key}; {_suggest(path, schema)}", unknown=True)
        elif detail["type"] == "missing":
            yield Mistake(key, f"missing key {key}: {_find(path, schema)['description']}")
        else:
            yield Mistake(key, _refuse_value(key, _look_up(path, asked), _find(path, schema)))


def _key_path(detail: ErrorDetails, schema: Node) -> tuple[str, ...]:
    """The key's path: pydantic's location, less its tags of union members and list indices."""
    parts = tuple(str(part) for part in detail["loc"])
    depth = 1
    while "properties" in _find(parts[:depth], schema) and depth < len(parts):
        depth += 1
    return parts[:depth]


def _find(path: Sequence[str], schema: Node) -> Node:
    """The node of a key, {} where there is none; a reference or an optional section is followed."""
    node = schema
    for part in path:
        node = node.get("properties", {}).get(part, {})
        references = [member for member in node.get("anyOf", [node]) if "$ref" in member]
        if references:
            node = schema["$defs"][references[0]["$ref"].rsplit("/", 1)[1]]
    return node


def _look_up(path: Sequence[str], asked: Any) -> Any:
    for part in path:
        asked = asked[part]
    return asked


def _suggest(path: Sequence[str], schema: Node) -> str:
    """The nearest known key: here, elsewhere under the same name, or anywhere by spelling."""
    *section, key = path
    here = {".".join([*section, known]): known for known in _find(section, schema)["properties"]}
    everywhere = dict(_all_keys(schema))
    near = difflib.get_close_matches(key, here.values(), n=1)
    same = [dotted for dotted, known in everywhere.items() if known == key]
    close = difflib.get_close_matches(key, everywhere.values(), n=1, cutoff=0.8)
    for candidates in (
        [dotted for dotted, known in here.items() if known in near],
        same,
        [dotted for dotted, known in everywhere.items() if known in close],
    ):
        if candidates:
            return f"did you mean {' or '.join(candidates)}?"
    return f"known keys: {', '.join(here)}"


def _all_keys(schema: Node) -> Iterator[tuple[str, str]]:
    yield from _keys_under((), schema)


def _keys_under(section: tuple[str, ...], schema: Node) -> Iterator[tuple[str, str]]:
    for key in _find(section, schema).get("properties", {}):
        path = (*section, key)
        yield ".".join(path), key
        yield from _keys_under(path, schema)


def _refuse_value(key: str, value: Any, node: Node) -> str:
    allowed = describe_allowed(node)
    takes_text = any(member.get("type") == "string" for member in node.get("anyOf", [node]))
    number = _number_in_text(value)
    if number is not None and "number" in allowed and not takes_text:
        rule = "YAML reads such a number only with a dot and a signed exponent"
        return f"{key} is the text {value!r}: {rule}; write {number}"
    kind = "the text " if isinstance(value, str) and not takes_text else ""
    line = f"{key} is {kind}{show_value(value)}; it must be {allowed}"
    if isinstance(value, float) and not math.isfinite(value):
        return line + ", and finite"
    if value in ("", [], {}):
        return line + ", and not empty"
    is_scalar = not isinstance(value, str | list | dict | None)
    return line + " (put it in quotes)" if "text" in allowed and is_scalar else line


def _number_in_text(value: Any) -> str | None:
    """1e-3 -> 1.0e-3, as YAML 1.1 wants it; None where the value is no such text."""
    if not isinstance(value, str) or "e" not in value.lower():
        return None
    mantissa, _, exponent = value.lower().partition("e")
    try:
        fits = math.isfinite(float(value))
    except ValueError:
        return None
    if not fits:
        return None
    sign = "" if exponent[0] in "+-" else "+"
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{sign}{exponent}"


def show_value(value: Any) -> str:
    """A value as YAML writes it, on one short line."""
    if isinstance(value, str):
        shown = repr(value)
    else:
        dumped = yaml.safe_dump(value, default_flow_style=True, width=math.inf, sort_keys=False)
        shown = " ".join(dumped.removesuffix("...\n").split())
    return shown if len(shown) <= SHOWN_CHARS else shown[: SHOWN_CHARS - 3] + "..."


def describe_allowed(node: Node) -> str:
    """What a key takes, in words, from its JSON Schema node."""
    members = [
        {"type": "object"} if "$ref" in member else member for member in node.get("anyOf", [node])
    ]
    kinds = {member.get("type") for member in members}
    phrases = []
    for member in members:
        if member.get("type") == "integer" and "number" in kinds and "minimum" not in member:
            continue  # "a number above 0" says it for "a whole number above 0" too
        phrases.append(_describe_member(member))
    return ", or ".join(dict.fromkeys(phrases))


def _describe_member(member: Node) -> str:
    choices = member.get("enum", [member["const"]] if "const" in member else None)
    if choices is not None:
        listed = ", ".join(str(choice) for choice in choices)
        return f"one of {listed}" if len(choices) > 1 else listed
    kind = member.get("type")
    if kind == "array":
        return f"a list of {_describe_plural(member.get('items', {}))}"
    if kind in ("integer", "number"):
        noun = "a whole number" if kind == "integer" else "a number"
        bounds = [f"{word} {json.dumps(member[key])}" for key, word in BOUNDS if key in member]
        return " ".join([noun, " and ".join(bounds)]).strip()
    names = {"string": "text", "boolean": "true or false", "null": "null", "object": "a mapping"}
    return names.get(str(kind), "a value")


def _describe_plural(items: Node) -> str:
    names = {"string": "texts", "integer": "whole numbers", "object": "mappings"}
    return names.get(str(items.get("type")), "values")
