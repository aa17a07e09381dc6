"""Tables in Markdown, to paste where GitHub's dialect is read."""

from collections.abc import Collection, Mapping, Sequence


def render_table(
    columns: Sequence[str], rows: Sequence[Mapping[str, str]], *, left: Collection[str]
) -> str:
    """A header, a line that says how columns are set, a line a row.

    Args:
        columns: in order; one in which no row has a text is left out.
        rows: column -> text, those left out that a row has not; one row at least.
        left: columns of words; the others are numbers, set right.
    """
    shown = [key for key in columns if any(row.get(key) for row in rows)]
    rule = ["---" if key in left else "---:" for key in shown]
    cells = [[row.get(key, "") for key in shown] for row in rows]
    return "\n".join(_line(line) for line in (shown, rule, *cells))


def escape(text: str) -> str:
    """One line in which nothing ends a cell or starts a tag."""
    flat = " ".join(text.split())
    return flat.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(escape(cell) for cell in cells)} |"
