"""Answers for people: one in words, many in a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from qarank.squad.nbest import Candidate
    from qarank.workflows.predict import Prediction

SHOWN_ROWS = 20
NO_ANSWER = "no answer"


def print_answers(predictions: "Sequence[Prediction]") -> None:
    """One question's answer in words, the first twenty of several in a table, their candidates."""
    if len(predictions) == 1:
        print_answer(predictions[0])
        return
    shown = predictions[:SHOWN_ROWS]
    rows = [
        [found["id"], found["question"], *describe_span(found["answer"], found)] for found in shown
    ]
    more = len(predictions) - len(shown)
    note = f"and {more:,} more; --output FILE or --json gives all" if more else ""
    _print_texts(["id", "question", "answer", "probability", "characters"], rows, note=note)


def print_answer(prediction: "Prediction") -> None:
    """The answer on a line of its own, then how sure and where; candidates below if listed."""
    answer, probability, place = describe_span(prediction["answer"], prediction)
    typer.echo(answer)
    where = f", characters {place} of the context" if place else ""
    typer.echo(f"probability {probability}{where}")
    if "nbest" in prediction:
        rows = [list(describe_span(found["text"], found)) for found in prediction["nbest"]]
        _print_texts(["candidate", "probability", "characters"], rows)


def describe_span(text: str, found: "Prediction | Candidate") -> tuple[str, str, str]:
    """Its text on one line, its probability, and its characters, the last one not included."""
    place = f"{found['start']}-{found['end']}" if text else ""
    return " ".join(text.split()) or NO_ANSWER, f"{found['probability']:.3f}", place


def _print_texts(columns: Sequence[str], rows: Sequence[Sequence[str]], *, note: str = "") -> None:
    """A table of texts as they are: what looks like markup in a context is none."""
    table = Table(caption=note or None, caption_justify="left")
    for column in columns:
        justify = "right" if column in ("probability", "characters") else "left"
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
