"""How the runs came to their ranks: triplets kept and the threshold, round by round."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib.axes import Axes

from qarank.report.log_axis import log_limits, make_log, short_number
from qarank.report.marks import Facet, Mark, arrange_facets
from qarank.report.plate import Panel, Plate
from qarank.report.run_lines import RunLine, last_step_of, paint_lines, values_of
from qarank.report.study import Row, Study

TITLES = {"kept": "triplets kept", "threshold": "threshold"}
LOG_FROM = 8.0  # a largest value so many times the least is read better on a logarithmic axis
CAPTION = (
    "A line a run: what its matrices keep together after each round of the allocator, and the "
    "threshold, the largest score among the triplets that the round cut."
)


def plan_round_plates(study: Study) -> list[Plate]:
    """A plate for each facet of the runs whose allocator has made a round; none without one."""
    lines = {"kept": find_kept(study), "threshold": find_thresholds(study)}
    facets = arrange_facets([line.row for line in lines["kept"]])
    return [_plan_plate(number, facet, lines) for number, facet in enumerate(facets)]


def find_kept(study: Study) -> list[RunLine]:
    """Triplets kept after each round, and until the last step that is known."""
    lines = []
    for row, rounds in _with_rounds(study):
        points = [(each["global_step"], float(sum(each["ranks"].values()))) for each in rounds]
        steps = [line["global_step"] for line in study.curves.get(row.point, ())]
        if steps and max(steps) > points[-1][0]:
            points.append((max(steps), points[-1][1]))
        lines.append(RunLine(row, points))
    return lines


def find_thresholds(study: Study) -> list[RunLine]:
    """The thresholds of the rounds that cut something."""
    lines = []
    for row, rounds in _with_rounds(study):
        found = [(each["global_step"], each.get("threshold")) for each in rounds]
        points = [
            (step, float(value))
            for step, value in found
            if value is not None and math.isfinite(value)
        ]
        if points:
            lines.append(RunLine(row, points))
    return lines


def _with_rounds(study: Study) -> Iterator[tuple[Row, Sequence[Mapping[str, Any]]]]:
    for row in study.rows:
        if study.rounds.get(row.point):
            yield row, study.rounds[row.point]


def _plan_plate(number: int, facet: Facet, lines: Mapping[str, Sequence[RunLine]]) -> Plate:
    panels = []
    for key, title in TITLES.items():
        mine = [line for line in lines[key] if line.row.group in facet.marks]
        if mine:
            panels.append(
                Panel(
                    name=f"rounds-{number}-{key}",
                    label=f"{title}, of {len(mine)} runs over their steps",
                    paint=partial(
                        paint_rounds,
                        title=title,
                        lines=mine,
                        marks=facet.marks,
                        last_step=last_step_of(lines["kept"]),
                    ),
                )
            )
    return Plate(CAPTION, panels, list(facet.marks.items()), facet.title)


def paint_rounds(
    axes: Axes,
    *,
    title: str,
    lines: Sequence[RunLine],
    marks: Mapping[str, Mark],
    last_step: int,
) -> None:
    """Draw a figure of the rounds, held until the next one, into empty axes.

    Args:
        axes: to draw into.
        title: what the values are.
        lines: a run each.
        marks: group -> mark.
        last_step: end of the horizontal axis.
    """
    axes.set_title(title)
    values = values_of(lines)
    if min(values) > 0 and max(values) / min(values) >= LOG_FROM:
        make_log(axes.yaxis, log_limits(values, room=0.06))
    else:
        axes.set_ylim(0, 1.08 * max(values) or 1.0)
        axes.yaxis.set_major_formatter(short_number)
    paint_lines(axes, lines, marks, last_step, drawstyle="steps-post")
