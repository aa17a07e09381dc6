"""What a sweep came to, for people: narrow enough for a terminal of 100 columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from qarank.cli.render import print_table
from qarank.report.study import Comparison, Group, Results
from qarank.report.sweep_cells import (
    COMPARED,
    DIFFERENCE,
    NOTE,
    describe_comparison,
    describe_group,
    describe_unfinished,
    equal_budget,
)

# Keys of rows, in the order of the columns.
GROUPS = ("group", "n", "EM", "F1", "trained", "budget", "ranks", "time", "GiB")
PUBLISHED = ("group", "published", "difference", "note")
COMPARISONS = ("first", "second", "budget", "figure", "difference", "95 % interval", "p", "seeds")
UNFINISHED = ("group", "n", "note")
OF_A_RUN = {"group": "point", "n": "state", "note": "reason"}  # what those hold of one


def print_results(results: Results) -> None:
    """Groups, published figures beside theirs, methods compared, and runs that did not finish."""
    groups = [_shorten(group) for group in results.groups]
    _print(results.study.name, GROUPS, groups, note=NOTE)
    published = [row for row in groups if row["published"]]
    _print("published EM / F1", PUBLISHED, published, note=DIFFERENCE)
    compared = (row for each in results.comparisons for row in _shorten_compared(each))
    _print("methods at equal budgets", COMPARISONS, compared, note=COMPARED)
    rows = (describe_unfinished(row) for row in results.study.rows if row.state != "finished")
    _print("not finished", UNFINISHED, rows, names=OF_A_RUN)


def _shorten(group: Group) -> dict[str, str]:
    """A group's row with four digits of its counts: the tables in files have all."""
    counts = {"trained": group.trained_parameters, "budget": group.budget}
    return describe_group(group) | {key: _short(value) for key, value in counts.items()}


def _shorten_compared(comparison: Comparison) -> Iterator[dict[str, str]]:
    """A comparison's rows; what their budget counts is said where it is triplets alone."""
    budget = equal_budget(comparison, _short)
    return (row | {"budget": budget} for row in describe_comparison(comparison))


def _short(value: float | None) -> str:
    """331.8k, 1.327M."""
    if value is None:
        return ""
    for letter, unit in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= unit:
            return f"{value / unit:.4g}{letter}"
    return f"{value:.4g}"


def _print(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, str]],
    *,
    note: str = "",
    names: Mapping[str, str] | None = None,
) -> None:
    """A table, if there are rows; names: of columns that are not called by their key."""
    cells = [[row[key] for key in columns] for row in rows]
    if cells:
        shown = [(names or {}).get(key, key) for key in columns]
        print_table(title, shown, cells, note=note)
