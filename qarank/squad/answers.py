"""Gold answers in any of their shapes, and whether each stands in its context where it says.

An answer that is not there is repaired only where one repair is possible: see `align_answer`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from qarank.errors import DataError
from qarank.squad.record_fields import describe, read_text, shorten

Change = Literal["placed", "moved", "respelled"]
Given = tuple[str, int | None]  # an answer's text and, where it is told, its start
SHAPES = (
    'a list of {"text", "answer_start"}, {"text": [...], "answer_start": [...]} or a list of texts'
)


@dataclass(frozen=True, slots=True)
class Aligned:
    """An answer with context[start:start + len(text)] == text.

    Attributes:
        text: as the context has it.
        start: code points into the context.
        change: what had to be done: "placed" (no start was told), "moved" (it stands elsewhere),
            "respelled" (the context writes it otherwise); None: nothing.
    """

    text: str
    start: int
    change: Change | None = None


def align_answer(text: str, start: int | None, context: str) -> Aligned | None:
    """Where an answer stands; None where that is not certain.

    It is certain if it stands where it says; if what stands there differs from it in white space
    and case alone (then it is spelled as the context has it, which the metric does not see); or if
    it occurs in the context exactly once, and, where that is not where it says, as words and not in
    the midst of one.
    """
    if start is not None and start >= 0:
        if context.startswith(text, start):
            return Aligned(text, start)
        spelled = _find_respelled(text, start, context)
        if spelled is not None:
            return spelled
    place = context.find(text)
    if place < 0 or context.find(text, place + 1) >= 0:
        return None
    if start is None:
        return Aligned(text, place, "placed")
    return Aligned(text, place, "moved") if _stands_as_words(text, place, context) else None


def describe_misfit(text: str, start: int | None, context: str) -> str:
    """Why `align_answer` gave None, after the answer's place."""
    number = len(re.findall(f"(?={re.escape(text)})", context))
    occurs = f"it occurs {number} times" if number else "it does not occur in the context"
    if number == 1 and start is not None:
        occurs = "it occurs only within a longer word"
    if start is None:
        rule = "; say which by its answer_start" if number else ""
        return f"is {shorten(text)} without an answer_start, and {occurs}{rule}"
    found = shorten(context[start : start + len(text)]) if start >= 0 else "nothing"
    return f"is {shorten(text)}, but its context has {found} at {start}; {occurs}"


def read_answers(record: Mapping[str, Any], where: str) -> list[tuple[str, Given]]:
    """The gold answers of a record, each with its place in it.

    Args:
        record: with one of `answers` and `answer_text`, the latter perhaps with `answer_start`.
        where: for the message.

    Raises:
        DataError: they are of no known shape, or a text or start is not what it should be.
    """
    if "answers" not in record and "answer_text" in record:
        return _read_pairs(record["answer_text"], record.get("answer_start"), where)
    value = record["answers"]
    if value is None:
        return []
    if isinstance(value, dict) and "text" in value:
        return _read_pairs(value["text"], value.get("answer_start"), where)
    if not isinstance(value, list):
        raise DataError(f"{where}.answers is {describe(value)}; it must be {SHAPES}")
    return [
        _read_answer(answer, f"{where}.answers[{number}]") for number, answer in enumerate(value)
    ]


def _read_pairs(texts: Any, starts: Any, where: str) -> list[tuple[str, Given]]:
    """Texts and starts that stand apart: one of each, or two lists as long as each other."""
    if texts is None or texts == "":
        return []
    if not isinstance(texts, list):
        texts, starts = [texts], [starts]
    elif starts is None:
        starts = [None] * len(texts)
    if not isinstance(starts, list) or len(starts) != len(texts):
        found = f"{len(starts)} starts" if isinstance(starts, list) else describe(starts)
        raise DataError(f"{where}.answers has {len(texts)} texts and {found} for their places")
    return [
        _read_answer({"text": text, "answer_start": start}, f"{where}.answers[{number}]")
        for number, (text, start) in enumerate(zip(texts, starts, strict=True))
    ]


def _read_answer(answer: object, at: str) -> tuple[str, Given]:
    record = {"text": answer} if isinstance(answer, str) else answer
    text = read_text(record, "text", at)
    if not text:
        raise DataError(f"{at}.text is empty; an unanswerable question has no answers at all")
    assert isinstance(record, dict)  # its text has been read
    return at, (text, _read_start(record.get("answer_start"), at))


def _read_start(start: object, at: str) -> int | None:
    if isinstance(start, float) and (math.isnan(start) or start.is_integer()):
        return None if math.isnan(start) else int(start)  # numbers with gaps are floats
    if start is None or (isinstance(start, int) and not isinstance(start, bool)):
        return start
    raise DataError(f"{at}.answer_start is {describe(start)}; it must be a whole number")


def _stands_as_words(text: str, start: int, context: str) -> bool:
    """Whether no word of the context goes on past either end of the answer.

    A letter and a letter, or a digit and a digit, are of one word; letters of scripts that set no
    spaces between words have no case, and may stand anywhere.
    """
    end = start + len(text)
    edges = (context[max(start - 1, 0) : start + 1], context[end - 1 : end + 1])
    return not any(re.fullmatch(r"\d\d", edge) or _is_cased(edge) for edge in edges)


def _is_cased(edge: str) -> bool:
    return len(edge) == 2 and all(letter.lower() != letter.upper() for letter in edge)


def _find_respelled(text: str, start: int, context: str) -> Aligned | None:
    """The answer as the context writes it at start, white space and case aside."""
    words = text.split()
    if not words:
        return None
    pattern = r"\s*(" + r"\s+".join(map(re.escape, words)) + ")"
    match = re.compile(pattern, re.IGNORECASE).match(context, start)
    if match is None or match[1].lower().split() != text.lower().split():
        return None  # IGNORECASE knows pairs that lower() does not
    return Aligned(match[1], match.start(1), "respelled")
