"""The tables of a sweep's page: all cells as text, figures in the form of `cells`."""

from collections.abc import Callable, Sequence
from urllib.parse import quote

from qarank.report.cells import (
    as_published,
    clock,
    count,
    gib,
    interval,
    p_value,
    pair,
    per_cent,
    rate,
    signed,
    spread,
)
from qarank.report.page_table import Cell, Column, Table, build_table
from qarank.report.study import Comparison, Group, Published, Results, Row, Study
from qarank.report.sweep_cells import equal_budget

NAME_COLUMNS = (Column("group", is_number=False), Column("method", is_number=False))


def results_table(results: Results) -> Table:
    """All groups of the recipe, with their figures where a run of theirs is finished."""
    groups = {group.name: group for group in results.groups}
    names = ("runs", "budget", "EM", "F1", "HasAns F1", "NoAns EM")
    published = ("published EM / F1", "difference")
    columns = [*NAME_COLUMNS, *(Column(name) for name in (*names, *published))]
    rows = (_describe_group(results.study, name, groups.get(name)) for name in results.study.groups)
    return build_table("EM and F1 of each group, per cent", columns, rows)


def _describe_group(study: Study, name: str, group: Group | None) -> list[str]:
    asked = [row for row in study.rows if row.group == name]
    published = study.published.get(name, Published(""))
    theirs = pair(as_published(published.exact), as_published(published.f1))
    runs = f"{len(group.seeds) if group else 0} of {len(asked)}"
    if group is None:
        return [name, asked[0].method, runs, *[""] * 5, theirs, ""]
    figures = [
        spread(group.figures.get(key)) for key in ("exact", "f1", "HasAns_f1", "NoAns_exact")
    ]
    apart = [signed(group.differences.get(key)) for key in ("exact", "f1")]
    return [name, group.method, runs, count(group.budget), *figures, theirs, pair(*apart)]


def comparisons_table(comparisons: Sequence[Comparison]) -> Table:
    """Methods at equal budgets."""
    columns = [
        Column("first", is_number=False),
        Column("second", is_number=False),
        *(Column(name) for name in ("budget", "seeds", "questions")),
        *(Column(name) for figure in ("EM", "F1") for name in (figure, "95 % interval", "p")),
    ]
    return build_table(
        "First less second at equal budgets, points",
        columns,
        map(_describe_comparison, comparisons),
    )


def _describe_comparison(comparison: Comparison) -> list[str]:
    cells = [
        comparison.first,
        comparison.second,
        equal_budget(comparison),
        count(len(comparison.seeds)),
        count(comparison.num_questions),
    ]
    for key in ("exact", "f1"):
        found = comparison.figures.get(key)
        cells += [signed(found.value if found else None), interval(found), p_value(found)]
    return cells


def cost_table(study: Study) -> Table:
    """What the finished runs of each group took, in the mean; memory at the most."""
    names = (
        "trained parameters",
        "kept, and head",
        "training",
        "in all",
        "features/s",
        "memory, GiB",
    )
    columns = [*NAME_COLUMNS, *map(Column, names)]
    rows = [_describe_cost(name, rows) for name, rows in study.groups.items() if rows]
    return build_table(
        "Mean of each group's finished runs; memory: the most that a process took", columns, rows
    )


def _describe_cost(name: str, rows: Sequence[Row]) -> list[str]:
    peaks = [row.peak_bytes for row in rows if row.peak_bytes is not None]
    speed = _mean(rows, lambda row: row.features_per_s)
    return [
        name,
        rows[0].method,
        count(_mean(rows, lambda row: row.trained_parameters)),
        count(_mean(rows, lambda row: row.final_parameters)),
        clock(_mean(rows, lambda row: row.train_s)),
        clock(_mean(rows, lambda row: row.total_s)),
        "" if speed is None else f"{speed:,.1f}",
        gib(max(peaks, default=None)),
    ]


def _mean(rows: Sequence[Row], read: Callable[[Row], float | None]) -> float | None:
    """Of the rows that have it; None if none has."""
    values = [value for row in rows if (value := read(row)) is not None]
    return sum(values) / len(values) if values else None


def runs_table(study: Study) -> Table:
    """Every run with its state and its folder."""
    names = ("seed", "learning rate", "EM", "F1", "budget", "triplets")
    columns = [
        Column("run", is_number=False),
        Column("method", is_number=False),
        Column("state", is_number=False),
        *map(Column, names),
        Column("reason", is_number=False),
    ]
    return build_table(
        "Every run; its name leads to its folder",
        columns,
        (_describe_run(row, study.links.get(row.point, "")) for row in study.rows),
    )


def _describe_run(row: Row, link: str) -> list[Cell | str]:
    return [
        Cell(row.point, href=f"{quote(link)}/" if link else ""),
        row.method,
        Cell(row.state, state=row.state),
        str(row.seed),
        rate(row.learning_rate),
        per_cent(row.exact),
        per_cent(row.f1),
        count(row.budget),
        count(row.final_ranks),
        row.reason or "",
    ]


def data_table(study: Study) -> Table:
    """What each part of the data is."""
    keys = list(dict.fromkeys(key for part in study.data.values() for key in part))
    columns = [
        Column("part", is_number=False),
        *(Column(key.replace("_", " "), is_number=key != "label") for key in keys),
    ]
    rows = ([name, *(_show(part.get(key)) for key in keys)] for name, part in study.data.items())
    return build_table("The data, of a finished run", columns, rows)


def _show(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return count(value) if isinstance(value, int) else "" if value is None else str(value)
