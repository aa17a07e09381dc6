"""A sweep's results as tables: CSV, a line a run or a line a group, and Markdown to paste."""

from collections.abc import Iterator
from typing import Any

from qarank.artifacts import tables
from qarank.report.markdown import escape, render_table
from qarank.report.study import Group, Results
from qarank.report.sweep_cells import (
    COMPARED,
    COMPARISON_CELLS,
    DIFFERENCE,
    FIGURES,
    GROUP_CELLS,
    NOTE,
    WORDS,
    describe_comparison,
    describe_group,
    describe_unfinished,
)

COLUMNS = (
    *("point", "exact", "f1", "HasAns_f1", "NoAns_exact", "trained_parameters"),
    *("final_parameters", "start_budget", "final_ranks", "features_per_s", "train_s"),
    *("group", "method", "seed", "learning_rate", "state", "budget", "peak_bytes", "total_s"),
    "reason",
)
SPREADS = ("exact", "f1", "HasAns_f1", "NoAns_exact")  # each has its mean and its _sd
COSTS = (
    *("trained_parameters", "final_parameters", "budget", "final_ranks", "train_s"),
    "peak_bytes",
)
GROUP_COLUMNS = (
    *("group", "method", "num_runs", "num_finished", "seeds"),
    *(f"{key}{end}" for key in SPREADS for end in ("", "_sd")),
    *COSTS,
    *(f"{word}_{key}" for key in FIGURES for word in ("published", "difference")),
    "source",
)


def to_csv(results: Results) -> str:
    """A line a run, finished or not."""
    return tables.to_csv(COLUMNS, [row.to_dict() for row in results.study.rows])


def to_group_csv(results: Results) -> str:
    """A line a group of which a run is finished."""
    return tables.to_csv(GROUP_COLUMNS, [flatten_group(group) for group in results.groups])


def flatten_group(group: Group) -> dict[str, Any]:
    """A group's values by GROUP_COLUMNS, those left out that it has not."""
    values: dict[str, Any] = {
        "group": group.name,
        "method": group.method,
        "num_runs": group.num_runs,
        "num_finished": len(group.seeds),
        "seeds": " ".join(str(seed) for seed in group.seeds),
    }
    for key in SPREADS:
        if key in group.figures:
            values |= {key: group.figures[key].mean, f"{key}_sd": group.figures[key].sd}
    values |= {key: getattr(group, key) for key in COSTS}
    if group.published is not None:
        values |= {f"published_{key}": getattr(group.published, key) for key in FIGURES}
        values["source"] = group.published.source
    return values | {f"difference_{key}": value for key, value in group.differences.items()}


def to_markdown(results: Results) -> str:
    """The table of groups with the runs that came to nothing, then the comparisons, if any."""
    compared = [row for each in results.comparisons for row in describe_comparison(each)]
    note = f"{NOTE}; {DIFFERENCE}" if any(group.published for group in results.groups) else NOTE
    parts = [
        f"### {escape(results.study.name)}",
        render_table(GROUP_CELLS, list(_list_rows(results)), left=WORDS),
        note,
    ]
    if compared:
        parts += [render_table(COMPARISON_CELLS, compared, left=WORDS), COMPARED]
    return "\n\n".join(parts) + "\n"


def _list_rows(results: Results) -> Iterator[dict[str, str]]:
    """A row a group in the recipe's order, below it one for each run without figures."""
    described = {group.name: describe_group(group) for group in results.groups}
    for name in results.study.groups:
        if name in described:
            yield described[name]
        for row in results.study.rows:
            if row.group == name and row.state != "finished":
                yield describe_unfinished(row)
