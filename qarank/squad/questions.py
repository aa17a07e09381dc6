"""One record of a data set to an example, checked field by field."""

from collections.abc import Mapping
from typing import Any

from qarank.errors import DataError
from qarank.squad.answers import Aligned, Given, align_answer, describe_misfit, read_answers
from qarank.squad.examples import Example
from qarank.squad.loaded_data import Fault, FaultKind, Mended
from qarank.squad.record_fields import read_field, read_id, read_text, shorten


def read_question(
    record: Mapping[str, Any], *, where: str, file: str
) -> tuple[Example, list[Mended]] | Fault:
    """An example of a record under our names, or what is wrong with it.

    Args:
        record: {"id", "question", "context", "answers" or "answer_text" (and "answer_start")},
            "is_impossible" and "title" if it has them; an id is text or a whole number.
        where: file and place in it, for the message.
        file: the file alone.

    Returns:
        The example with the answers that had to be put right, or the fault.
    """
    question_id = ""
    try:
        question_id = _read_filled_id(record, where)
        where = f"{where} (id {question_id})"
        texts = {key: read_text(record, key, where) for key in ("question", "context")}
        texts["title"] = "" if record.get("title") is None else read_text(record, "title", where)
        given = _read_given(record, where)
        fault = _find_fault(record, texts["context"], bool(given), where)
    except DataError as error:
        return Fault("bad_records", str(error), file, question_id)
    if fault is not None:
        return Fault(*fault, file, question_id)
    aligned: list[Aligned] = []
    mended: list[Mended] = []
    for at, (text, start) in given:
        answer = align_answer(text, start, texts["context"])
        if answer is None:
            line = f"{at} {describe_misfit(text, start, texts['context'])}"
            return Fault("misaligned_answers", line, file, question_id)
        aligned.append(answer)
        if answer.change is not None:
            line = _describe_change(text, start, answer)
            mended.append(Mended(question_id, file, answer.change, line))
    example = Example(
        id=question_id,
        **texts,
        answers=tuple(answer.text for answer in aligned),
        answer_starts=tuple(answer.start for answer in aligned),
    )
    return example, mended


def _read_filled_id(record: Mapping[str, Any], where: str) -> str:
    question_id = read_id(record, where)
    if not question_id:
        raise DataError(f"{where}.id is empty; it must be text")
    return question_id


def _read_given(record: Mapping[str, Any], where: str) -> list[tuple[str, Given]]:
    if not {"answers", "answer_text"} & record.keys() and record.get("is_impossible") is True:
        return []  # then there are none to tell
    if "answer_text" not in record:
        read_field(record, "answers", object, where)
    return read_answers(record, where)


def _find_fault(
    record: Mapping[str, Any], context: str, has_answers: bool, where: str
) -> tuple[FaultKind, str] | None:
    """What is wrong though each field is what it should be.

    is_impossible may be left out (v1); plausible_answers of such questions are not gold.
    """
    if not context.strip():
        line = f"{where} has an empty context; every question needs a passage"
        return "empty_contexts", line
    if record.get("is_impossible") is None:
        return None
    is_impossible = read_field(record, "is_impossible", bool, where)
    if is_impossible == has_answers:
        held = "answers" if has_answers else "no answers"
        flag = "true" if is_impossible else "false"
        line = f"{where} has {held} and is_impossible {flag}; it must be one of the two"
        return "impossible_against_answers", line
    return None


def _describe_change(text: str, start: int | None, answer: Aligned) -> str:
    told = "no answer_start" if start is None else f"at {start}"
    return f"{shorten(text)} ({told}) is {shorten(answer.text)} at {answer.start}"
