"""Answers for people: one in words, many in a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from qarank.cli.render import open_console

if TYPE_CHECKING:
    from qarank.workflows.predictions import PlacedCandidate, Prediction

SHOWN_ROWS = 20
NO_ANSWER = "no answer"
SPAN_COLUMNS = ("text", "probability", "characters", "context")  # all but the text set right


def print_answers(predictions: "Sequence[Prediction]", *, is_written: bool = False) -> None:
    """One question's answer in words, the first twenty of several in a table, their candidates.

    Args:
        predictions: one at least.
        is_written: whether a file has all of them, as its line on stderr tells.
    """
    if len(predictions) == 1:
        print_answer(predictions[0])
        return
    shown = predictions[:SHOWN_ROWS]
    asked = [[found["id"], found["question"]] for found in shown]
    answers = [(found["answer"], found) for found in shown]
    note = describe_rest(predictions, is_written=is_written)
    _print_spans(["id", "question", "answer"], asked, answers, note=note)


def describe_rest(predictions: "Sequence[Prediction]", *, is_written: bool) -> str:
    """What the table leaves out and, where no file has it, how to get it; "" if nothing."""
    more = len(predictions) - SHOWN_ROWS
    if more > 0:
        return f"and {more:,} more" + ("" if is_written else "; --output FILE or --json gives all")
    if not is_written and any("nbest" in found for found in predictions):
        return "--output FILE.jsonl or --json gives the candidates"
    return ""


def print_answer(prediction: "Prediction") -> None:
    """The answer on a line of its own, then how sure and where; candidates below if listed."""
    answer, probability, place, context = describe_span(prediction["answer"], prediction)
    typer.echo(answer)
    of = f"context {context} (the first is 0)" if context else "the context"
    where = f", characters {place} of {of}" if place else ""
    typer.echo(f"probability {probability}{where}")
    if "nbest" in prediction:
        candidates = prediction["nbest"]
        spans = [(found["text"], found) for found in candidates]
        _print_spans(["candidate"], [[] for _ in candidates], spans)


def describe_span(text: str, found: "Prediction | PlacedCandidate") -> tuple[str, str, str, str]:
    """The cells of SPAN_COLUMNS; of the characters, the last one is not included.

    There is no context where only one was given, nor characters or context for "no answer".
    """
    place = f"{found['start']}-{found['end']}" if text else ""
    context = str(found["context"]) if text and "context" in found else ""
    return " ".join(text.split()) or NO_ANSWER, f"{found['probability']:.3f}", place, context


def _print_spans(
    columns: Sequence[str],
    heads: Sequence[Sequence[str]],
    spans: "Sequence[tuple[str, Prediction | PlacedCandidate]]",
    *,
    note: str = "",
) -> None:
    """A row a span: what stands before it, and the span; its context where there are several."""
    count = len(SPAN_COLUMNS) if any("context" in found for _, found in spans) else -1
    rows = [
        [*head, *describe_span(text, found)[:count]]
        for head, (text, found) in zip(heads, spans, strict=True)
    ]
    _print_texts([*columns, *SPAN_COLUMNS[1:count]], rows, note=note)


def _print_texts(columns: Sequence[str], rows: Sequence[Sequence[str]], *, note: str = "") -> None:
    """A table of texts as they are: what looks like markup in a context is none."""
    table = Table(caption=note or None, caption_justify="left")
    for column in columns:
        justify = "right" if column in SPAN_COLUMNS else "left"
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    open_console().print(table)
