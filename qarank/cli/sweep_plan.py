"""sweep --dry-run: each point with its schedule, parameters and time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from qarank.cli.quantities import format_bytes, format_duration
from qarank.cli.render import format_value, print_json, print_table

if TYPE_CHECKING:
    from qarank.config.schema import Recipe


def show_plan(recipe: "Recipe", *, only: str | None, as_json: bool) -> None:
    """Plan a sweep and print it; a point that cannot run says why."""
    from qarank.workflows.sweep_plan import plan_sweep

    points = plan_sweep(recipe, only=only)
    if as_json:
        print_json(points)
        return
    columns = ["point", "state", "method", "rate", "steps", "budget", "trained", "time", "memory"]
    print_table(
        f"points of {recipe.name}", columns, [_row(point) for point in points], note=_note(points)
    )
    for point in points:
        for reason in (point["problem"], point.get("change")):
            if reason:
                typer.echo(f"{point['point']}: {reason}")


def _row(point: Mapping[str, Any]) -> list[Any]:
    head = [point["point"], point.get("state", "cannot run"), point["method"]]
    rate = f"{point['learning_rate']:g}"
    if point["problem"] is not None:
        return [*head, rate, *[None] * 5]
    return [
        *head,
        rate,
        point["total_steps"],
        _budget(point),
        point["trained_parameters"],
        format_duration(point["estimated_s"]),
        format_bytes(point["peak_bytes"]),
    ]


def _budget(point: Mapping[str, Any]) -> str | None:
    """From what to what the allocator goes, and between which steps."""
    schedule = point["schedule"]
    if schedule is None:
        return None
    first, last = schedule["start_budget"], schedule["target_budget"]
    final = schedule["total_steps"] - schedule["tfinal"]
    return (
        f"{format_value(first)} -> {format_value(last)}, steps {format_value(schedule['tinit'])}"
        f" to {format_value(final)}"
    )


def _note(points: list[dict[str, Any]]) -> str:
    seconds = [
        point["estimated_s"]
        for point in points
        if point["problem"] is None and point["state"] != "finished"
    ]
    total = f"about {format_duration(sum(seconds))} in all, one after the other" if seconds else ""
    return f"{total}; timed here, on all cores" if total else "nothing is left to run"
