"""Tables in Markdown, to paste where GitHub's dialect is read."""

from collections.abc import Collection, Mapping, Sequence


def render_table(rows: Sequence[Mapping[str, str]], *, left: Collection[str]) -> str:
    """A header, a line that says how columns are set, a line a row.

    Args:
        rows: column -> text, of the first row all columns in order; one row at least. A column in
            which no row has a text is left out.
        left: columns of words; the others are numbers, set right.
    """
    columns = [key for key in rows[0] if any(row.get(key) for row in rows)]
    rule = ["---" if key in left else "---:" for key in columns]
    cells = [[row.get(key, "") for key in columns] for row in rows]
    return "\n".join(_line(line) for line in (columns, rule, *cells))


def escape(text: str) -> str:
    """One line in which nothing ends a cell or starts a tag."""
    flat = " ".join(text.split())
    return flat.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(escape(cell) for cell in cells)} |"
