"""Cells of a text table to the values a JSON record would have: flags, numbers, lists, answers.

Source: what datasets' and pandas' to_csv write: JSON, Python's own notation, numpy's array(), and
its arrays as text, [0 3] or ['a' 'b'], without commas.
"""

import ast
import io
import json
import re
import tokenize
import warnings
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
WHOLE_NUMBER = re.compile(r"[+-]?\d{1,18}(\.0*)?")  # pandas writes 12.0 where a cell is missing
_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
ARRAY_ITEM = re.compile(rf"{_QUOTED}|[+-]?\d+(?![^\s\]])", re.DOTALL)
ARRAY_TEXT = re.compile(
    rf"\[\s*(?:{ARRAY_ITEM.pattern})(?:\s+(?:{ARRAY_ITEM.pattern}))+\s*\]", re.DOTALL
)
MAY_JOIN = re.compile(r"""['"][\s\\]*[rbuRBU]{0,2}['"]""")  # two quotes with nothing between
MISSING = ("", "nan", "none", "null")


def read_cells(record: Mapping[str, str]) -> dict[str, Any]:
    """Our columns of a row, as text -> the same as values.

    A cell that cannot be read stays text, which the check of its field then refuses.

    Args:
        record: ours -> the cell.

    Returns:
        ours -> the value; an empty cell of a flag, a start or answers is left out or None.
    """
    values: dict[str, Any] = dict(record)
    flag = record.get("is_impossible", "").strip().lower()
    if flag in MISSING:
        values.pop("is_impossible", None)
    else:
        values["is_impossible"] = FLAGS.get(flag, record["is_impossible"])
    if "answers" in record:
        values["answers"] = read_literal(record["answers"])
    if "answer_start" in record:
        values["answer_start"] = _read_start(record["answer_start"])
        if isinstance(values["answer_start"], list):  # then the texts are a list too
            values["answer_text"] = read_literal(record.get("answer_text", ""))
    return values


def read_literal(text: str) -> Any:
    """JSON, Python's or numpy's notation as the value it stands for, None where missing, else text.

    Texts side by side, which Python takes for one, are an array's or are not read at all.
    """
    if text.strip().lower() in MISSING:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _read_python(text)


def _read_start(text: str) -> Any:
    plain = text.strip()
    if plain.lower() in MISSING:
        return None
    if WHOLE_NUMBER.fullmatch(plain):
        return int(plain.partition(".")[0])
    return read_literal(text)


def _read_python(text: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of escapes Python does not know
            plain = _open_array(text.strip())
            tree = ast.parse(plain, mode="eval")
        if MAY_JOIN.search(plain) and _has_joined_texts(plain):
            return text
        return ast.literal_eval(_OpenArrays().visit(tree))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError, tokenize.TokenError):
        return text


def _open_array(text: str) -> str:
    """A numpy array's text with commas; any other as it is."""
    if not ARRAY_TEXT.fullmatch(text):
        return text
    return f"[{', '.join(match[0] for match in ARRAY_ITEM.finditer(text))}]"


def _has_joined_texts(text: str) -> bool:
    """Whether two texts stand side by side in what Python can parse."""
    kinds = [
        token.type
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in (tokenize.NL, tokenize.COMMENT)
    ]
    return any(pair == (tokenize.STRING,) * 2 for pair in pairwise(kinds))


class _OpenArrays(ast.NodeTransformer):
    """array([1, 2], dtype=int32) is [1, 2]."""

    def visit_Call(self, node: ast.Call) -> ast.AST:  # noqa: N802 (ast's name)
        if isinstance(node.func, ast.Name) and node.func.id == "array" and node.args:
            return self.visit(node.args[0])  # type: ignore[no-any-return]
        return node
