"""sweep --dry-run: each point with its schedule, parameters and time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from qarank.cli.quantities import format_bytes, format_duration
from qarank.cli.render import format_value, print_json, print_table

if TYPE_CHECKING:
    from qarank.config.schema import Recipe
    from qarank.workflows.sweep_plan import SweepPlan
    from qarank.workflows.sweep_setup import SweepOptions

SHOWN_NAMES = 6


def show_plan(recipe: "Recipe", options: "SweepOptions", *, as_json: bool) -> None:
    """Plan a sweep and print it; a point that cannot run says why.

    Raises:
        QarankError: the sweep would not begin, or no point can run.
    """
    from qarank.workflows.sweep_check import require_one
    from qarank.workflows.sweep_plan import plan_sweep

    plan = plan_sweep(recipe, options)
    if as_json:
        print_json(plan.points)
    else:
        _print_plan(recipe.name, plan)
    require_one(plan.checked)


def _print_plan(name: str, plan: "SweepPlan") -> None:
    columns = ["point", "state", "method", "rate", "steps", "budget", "trained", "time", "memory"]
    rows = [_row(point) for point in plan.points]
    print_table(f"points of {name}", columns, rows, note=_note(plan.points, plan.jobs))
    for line in _list_reasons(plan.points):
        typer.echo(line)


def _list_reasons(points: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Why points cannot run or are run anew; a reason that several have, once."""
    sharing: dict[str, list[str]] = {}
    for point in points:
        for reason in (point["problem"], point.get("change")):
            if reason:
                sharing.setdefault(reason, []).append(point["point"])
    for reason, names in sharing.items():
        shown = ", ".join(names[:SHOWN_NAMES]) + (", ..." if len(names) > SHOWN_NAMES else "")
        yield (
            f"{shown}: {reason}" if len(names) == 1 else f"{len(names)} points ({shown}): {reason}"
        )


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


def _note(points: Sequence[Mapping[str, Any]], jobs: int) -> str:
    """How many cannot run, and how long the others take."""
    able = [point for point in points if point["problem"] is None]
    left = [point for point in able if point["state"] != "finished"]
    unable = f"{len(points) - len(able)} of {len(points)} points cannot run"
    parts = [unable] if len(able) < len(points) else []
    if left:
        parts += [_total([point["estimated_s"] for point in left], jobs)]
        parts += ["timed here, a point on all cores"]
        if any(point["state"] == "unfinished" for point in left):
            parts += ["an unfinished point's time is from its start"]
    elif able:
        parts += ["nothing is left to run"]
    return "; ".join(parts)


def _total(seconds: Sequence[float], jobs: int) -> str:
    """As long as the longest at least; cores that points share are not reckoned with."""
    at_a_time = min(jobs, len(seconds))
    total = format_duration(max(sum(seconds) / at_a_time, *seconds))
    if at_a_time == 1:
        return f"about {total} in all, one after the other"
    return f"about {total} in all, divided by the {at_a_time} points that run at a time"
