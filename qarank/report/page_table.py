"""A table of the page: texts by row and column, empty columns left out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A place in a table.

    Attributes:
        text: what stands there.
        href: a folder that it leads to, relative to the page; empty for none.
        state: of a run, where the cell says it; else empty.
    """

    text: str
    href: str = ""
    state: str = ""


@dataclass(frozen=True)
class Column:
    """What a table has of each of its rows.

    Attributes:
        name: at the head.
        is_number: whether its cells end in line.
    """

    name: str
    is_number: bool = True


@dataclass(frozen=True)
class Table:
    """Columns in which every cell is empty are left out.

    Attributes:
        caption: what it is, in words.
        columns: the first one names the rows.
        rows: a cell for each column.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


def build_table(
    caption: str, columns: Sequence[Column], rows: Iterable[Sequence[Cell | str]]
) -> Table:
    """A table without its empty columns."""
    cells = [[each if isinstance(each, Cell) else Cell(each) for each in row] for row in rows]
    kept = [place for place in range(len(columns)) if any(row[place].text for row in cells)]
    return Table(
        caption,
        [columns[place] for place in kept],
        [[row[place] for place in kept] for row in cells],
    )
