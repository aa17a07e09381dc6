"""Runs that differ in their seed alone as one: mean and spread of every figure over the seeds."""

import statistics
from collections.abc import Iterable, Sequence
from typing import TypeGuard

from qarank.report.study import Group, Published, Row, Spread, Study

SAME_FIGURE = {"exact_match": "exact"}  # v1.1's key -> v2.0's, which every table goes by


def summarise_groups(study: Study) -> list[Group]:
    """Every group with a finished run, in the recipe's order."""
    asked = [row.group for row in study.rows]
    return [
        summarise_group(rows, asked.count(name), study.published.get(name))
        for name, rows in study.groups.items()
        if rows
    ]


def summarise_group(rows: Sequence[Row], num_runs: int, published: Published | None) -> Group:
    """One group.

    Args:
        rows: its finished runs, one at least.
        num_runs: all that the recipe asks for.
        published: figures of others for its settings.
    """
    figures = spread_figures(rows)
    return Group(
        name=rows[0].group,
        method=rows[0].method,
        seeds=tuple(row.seed for row in rows),
        num_runs=num_runs,
        figures=figures,
        trained_parameters=_mean(row.trained_parameters for row in rows),
        final_parameters=_mean(row.final_parameters for row in rows),
        budget=_mean(row.budget for row in rows),
        final_ranks=_mean(row.final_ranks for row in rows),
        train_s=_mean(row.train_s for row in rows),
        peak_bytes=max(
            (row.peak_bytes for row in rows if row.peak_bytes is not None), default=None
        ),
        published=published,
        differences=_differ(figures, published),
    )


def spread_figures(rows: Sequence[Row]) -> dict[str, Spread]:
    """Key -> spread: exact and f1 first, then what else is a number in every run."""
    figures = [_name_figures(row) for row in rows]
    shared = [key for key in figures[0] if all(key in other for other in figures)]
    return {key: spread([figure[key] for figure in figures]) for key in shared}


def spread(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation of one value or more."""
    sd = statistics.stdev(values) if len(values) > 1 else None
    return Spread(mean=statistics.fmean(values), sd=sd, values=tuple(values))


def _name_figures(row: Row) -> dict[str, float]:
    """The numbers among a run's figures; EM is `exact` whatever its metric calls it."""
    named = {"exact": row.exact, "f1": row.f1}
    for key, value in row.metrics.items():
        named.setdefault(SAME_FIGURE.get(key, key), value)
    return {key: float(value) for key, value in named.items() if _is_number(value)}


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _mean(values: Iterable[float | None]) -> float | None:
    """None where a run has none."""
    listed = list(values)
    known = [value for value in listed if value is not None]
    return statistics.fmean(known) if len(known) == len(listed) else None


def _differ(figures: dict[str, Spread], published: Published | None) -> dict[str, float]:
    """Our means less the published figures, of those that both have."""
    if published is None:
        return {}
    theirs = {"exact": published.exact, "f1": published.f1}
    return {
        key: figures[key].mean - value
        for key, value in theirs.items()
        if value is not None and key in figures
    }
