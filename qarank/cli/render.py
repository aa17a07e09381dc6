"""Tables for people, on stdout; JSON for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 200  # columns of a table that goes to a file or another program


def print_json(document: Any) -> None:
    """One JSON document and nothing else."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, note: str = ""
) -> None:
    """A table whose first column is text and whose others are numbers, set right."""
    table = Table(
        title=Text(title), title_justify="left", caption=note or None, caption_justify="left"
    )
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(format_value(value)) for value in row))
    open_console().print(table)


def print_facts(title: str, facts: Mapping[str, Any]) -> None:
    """Two columns: what, and its value."""
    table = Table(title=Text(title), title_justify="left", show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, Text(format_value(value)))
    open_console().print(table)


def open_console() -> Console:
    """Stdout; where that is no terminal, wide enough that no cell is folded."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def format_value(value: Any) -> str:
    """Numbers as people read them: 12,345 and 71.35; nothing for None."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 0.01 or value == 0 else f"{value:.2g}"
    return str(value)


def format_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The figures people look at first, in order, under names they know."""
    names = {
        "exact": "EM",
        "exact_match": "EM",
        "f1": "F1",
        "HasAns_exact": "HasAns EM",
        "HasAns_f1": "HasAns F1",
        "NoAns_exact": "NoAns EM",
        "best_exact": "EM at the best threshold (oracle)",
        "best_f1": "F1 at the best threshold (oracle)",
        "answered_HasAns_f1": "HasAns F1, every question answered",
        "null_threshold": "no answer above a null odds of",
    }
    return {shown: metrics[key] for key, shown in names.items() if key in metrics}
