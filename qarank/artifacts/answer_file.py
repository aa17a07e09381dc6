"""The file answers are written to: JSON lines, run_qa's {id: answer}, or CSV."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qarank.artifacts.atomic import write_text
from qarank.artifacts.output_file import check_output_file
from qarank.errors import DataError, RunError

Answers = Sequence[Mapping[str, Any]]  # a row a question, as qarank predict --json prints them
NOT_IN_CSV = "nbest"  # a list has no place in a cell


def check_answer_file(path: Path, *, overwrite: bool, with_nbest: bool) -> None:
    """Raise what would be wrong with writing there, and touch nothing.

    Args:
        path: the file.
        overwrite: whether a file may be there.
        with_nbest: whether answers come with their candidates.

    Raises:
        DataError: the ending is unknown or its shape has no place for candidates, the file is
            there already, or no file can be made there.
    """
    if path.suffix in FORMATS and path.suffix != ".jsonl" and with_nbest:
        raise DataError(f"{path} has one answer a question; candidates go to a .jsonl file")
    check_output_file(path, endings=FORMATS, what="answers", overwrite=overwrite)


def write_answers(path: Path, answers: Answers) -> None:
    """Write answers in the shape the file's ending names, all or nothing.

    Raises:
        RunError: the file cannot be written.
    """
    try:
        write_text(path, FORMATS[path.suffix](answers))
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror or error})") from error


def _format_json_lines(answers: Answers) -> str:
    return "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in answers)


def _format_json(answers: Answers) -> str:
    document = {row["id"]: row["answer"] for row in answers}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _format_csv(answers: Answers) -> str:
    text = io.StringIO(newline="")
    # Not all answers have each column: which context an answer is of is told where there are more.
    keys = dict.fromkeys(key for row in answers for key in row)
    columns = [key for key in keys if key != NOT_IN_CSV]
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(answers)
    return text.getvalue()


FORMATS: Mapping[str, Callable[[Answers], str]] = {
    ".jsonl": _format_json_lines,
    ".json": _format_json,
    ".csv": _format_csv,
}
