"""Training loss and F1 over the steps: a line a run, the seeds of a group alike."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib.axes import Axes

from qarank.report.marks import Facet, Mark, arrange_facets
from qarank.report.plate import Panel, Plate
from qarank.report.run_lines import RunLine, last_step_of, paint_lines, values_of
from qarank.report.study import Study

LOSS, F1 = "train/loss", "eval/f1"
TITLES = {LOSS: "training loss", F1: "F1, %"}
CAPTION = "A line a run; the seeds of a group are alike."
NO_SCORES = " No run is evaluated before its end, so there are no curves of F1."


def plan_learning_plates(study: Study) -> list[Plate]:
    """A plate for each facet of the runs that have logged something; none before that."""
    scores = find_lines(study, F1)
    # One evaluation a run, at its end, is no curve: the plot of the budgets has it.
    is_curve = any(len(line.points) > 1 for line in scores)
    lines = {LOSS: find_lines(study, LOSS), F1: scores if is_curve else []}
    facets = arrange_facets([line.row for group in lines.values() for line in group])
    return [_plan_plate(number, facet, lines) for number, facet in enumerate(facets)]


def find_lines(study: Study, key: str) -> list[RunLine]:
    """The runs that have values of a key, in the rows' order."""
    lines = []
    for row in study.rows:
        logged = study.curves.get(row.point, ())
        found = [(line["global_step"], float(line[key])) for line in logged if _has(line, key)]
        if found:
            lines.append(RunLine(row, found))
    return lines


def _has(line: Mapping[str, Any], key: str) -> bool:
    value = line.get(key)
    return isinstance(value, int | float) and math.isfinite(value)


def _plan_plate(number: int, facet: Facet, lines: Mapping[str, Sequence[RunLine]]) -> Plate:
    """Values of a kind share their limits, all share their steps, whichever facet they are in."""
    last = last_step_of(line for group in lines.values() for line in group)
    panels = []
    for key, title in TITLES.items():
        mine = [line for line in lines[key] if line.row.group in facet.marks]
        if mine:
            panels.append(
                Panel(
                    name=f"curves-{number}-{key.partition('/')[2]}",
                    label=f"{title} of {len(mine)} runs over their steps",
                    paint=partial(
                        paint_curves,
                        title=title,
                        lines=mine,
                        marks=facet.marks,
                        limits=find_limits(values_of(lines[key])),
                        last_step=last,
                    ),
                )
            )
    caption = CAPTION if lines[F1] else CAPTION + NO_SCORES
    return Plate(caption, panels, list(facet.marks.items()), facet.title)


def find_limits(values: Sequence[float]) -> tuple[float, float]:
    """The least and the largest value, and a twentieth of what is between them around it."""
    low, high = min(values), max(values)
    room = (high - low) / 20 or 1.0
    return low - room, high + room


def paint_curves(
    axes: Axes,
    *,
    title: str,
    lines: Sequence[RunLine],
    marks: Mapping[str, Mark],
    limits: tuple[float, float],
    last_step: int,
) -> None:
    """Draw curves into empty axes.

    Args:
        axes: to draw into.
        title: what the values are.
        lines: a curve each.
        marks: group -> mark.
        limits: ends of the vertical axis.
        last_step: end of the horizontal one.
    """
    axes.set_title(title)
    axes.set_ylim(limits)
    paint_lines(axes, lines, marks, last_step)
