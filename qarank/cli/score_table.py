"""EM and F1 for people: with their intervals where there are any, and beside another's."""

from collections.abc import Callable, Mapping
from typing import Any

from qarank.cli.render import format_metrics, format_value, print_facts, print_table

Named = Callable[[Mapping[str, Any]], Mapping[str, Any]]  # keys of figures -> names for people


def print_scores(
    title: str, metrics: Mapping[str, Any], more: Mapping[str, Any], *, name: Named = dict
) -> None:
    """The figures; in a second column what chance leaves of them, where `ci95` says so.

    Args:
        title: what was scored.
        metrics: figures by key, and perhaps `ci95`.
        more: facts that stand below the figures.
        name: picks the figures to show, and their names.
    """
    figures = name({key: value for key, value in metrics.items() if key != "ci95"})
    if "ci95" not in metrics:
        print_facts(title, {**figures, **more})
        return
    intervals = name(metrics["ci95"])
    rows = [
        [key, value, format_interval(intervals[key]) if key in intervals else ""]
        for key, value in {**figures, **more}.items()
    ]
    print_table(title, ["", "", "95 % interval"], rows)


def print_against(found: Mapping[str, Any]) -> None:
    """How the figures differ from another's, and whether that is chance."""
    rows = [
        [
            key,
            *(figure[column] for column in ("value", "against", "difference")),
            format_interval(figure["ci95"]),
            f"{figure['p_value']:.2g}",
        ]
        for key, figure in found.items()
        if isinstance(figure, Mapping)
    ]
    columns = ["", "this", "against", "difference", "95 % interval", "p"]
    questions = format_value(found["questions"])
    note = f"{questions} questions that both answer; p: paired randomisation test, two-sided"
    print_table(f"against {found['path']}", columns, rows, note=note)


def print_curve(found: Mapping[str, Any]) -> None:
    """A row a budget: what is left of the adapter, and what it scores."""
    first = format_metrics(found["budgets"][0]["metrics"])
    shown = [name for name in ("EM", "F1", "HasAns F1", "NoAns EM") if name in first]
    rows = [
        [
            row["budget"],
            sum(rank > 0 for rank in row["ranks"].values()),
            row["parameters"],
            f"{100 * row['kept_energy']:.1f} %",
            *(format_metrics(row["metrics"])[name] for name in shown),
        ]
        for row in found["budgets"]
    ]
    print_table(
        f"{found['checkpoint']} on {found['data']}",
        ["rank in all", "matrices", "parameters", "of ||Delta W||^2", *shown],
        rows,
        note="cut to the largest singular values after training; nothing was trained anew",
    )


def format_interval(ends: list[float]) -> str:
    """Low and high as `71.35 .. 73.02`."""
    low, high = ends
    return f"{low:,.2f} .. {high:,.2f}"
