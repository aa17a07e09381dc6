"""A sweep's page: one HTML file that asks for nothing beside itself and follows light and dark.

A browser is told so too: the page's security policy allows its own style and nothing else.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qarank.report.marks import Mark
from qarank.report.page_tables import (
    comparisons_table,
    cost_table,
    data_table,
    results_table,
    runs_table,
)
from qarank.report.pictures import plan_plates
from qarank.report.plate import Plate
from qarank.report.plot_style import new_figure, plot_style
from qarank.report.study import Results, Row, State
from qarank.report.svg import to_svg
from qarank.report.theme import css_variables

TEMPLATE = "report.html.j2"
STATES: tuple[State, ...] = ("finished", "failed", "stopped", "running", "waiting")
SWATCH_WIDTH, SWATCH_HEIGHT = 34.0, 14.0


@dataclass(frozen=True)
class ShownPlate:
    """A plate as the page has it.

    Attributes:
        title: above it; may be empty.
        caption: below it.
        legend: label and swatch of each series.
        panels: <svg> elements.
        is_wide: whether panels keep their size and scroll where there is no room.
    """

    title: str
    caption: str
    legend: Sequence[tuple[str, Markup]]
    panels: Sequence[Markup]
    is_wide: bool


def build_page(results: Results, *, generated: str) -> str:
    """The whole page; the same results make the same page.

    Args:
        results: a sweep as far as it came.
        generated: when, as text.
    """
    study = results.study
    environment = Environment(
        loader=PackageLoader("qarank.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(
        study=study,
        generated=generated,
        light=Markup(css_variables("light")),
        dark=Markup(css_variables("dark")),
        progress=describe_progress(study.rows),
        failures=[row for row in study.rows if row.reason],
        sources=list(dict.fromkeys(each.source for each in study.published.values())),
        plates=show_plates(results),
        results_table=results_table(results),
        comparisons_table=comparisons_table(results.comparisons),
        cost_table=cost_table(study),
        runs_table=runs_table(study),
        data_table=data_table(study),
    )


def describe_progress(rows: Sequence[Row]) -> str:
    """How far the runs came: 36 runs: 30 finished, 2 failed, 4 waiting."""
    counts = Counter(row.state for row in rows)
    told = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    return f"{len(rows)} run{'' if len(rows) == 1 else 's'}: {told or 'none'}"


def show_plates(results: Results) -> dict[str, list[ShownPlate]]:
    """Name -> plates as SVG, in the order of `plan_plates`."""
    with plot_style():
        return {
            name: [_show_plate(plate, f"{name}-{number}") for number, plate in enumerate(plates)]
            for name, plates in plan_plates(results).items()
        }


def _show_plate(plate: Plate, name: str) -> ShownPlate:
    panels = [
        Markup(to_svg(panel.draw(), name=panel.name, label=panel.label)) for panel in plate.panels
    ]
    legend = [
        (label, _draw_swatch(mark, f"{name}-key-{number}"))
        for number, (label, mark) in enumerate(plate.legend)
    ]
    return ShownPlate(plate.title, plate.caption, legend, panels, is_wide=plate.columns == 1)


def _draw_swatch(mark: Mark, name: str) -> Markup:
    """A piece of a series, to stand beside its label."""
    figure = new_figure(SWATCH_WIDTH, SWATCH_HEIGHT)
    figure.set_layout_engine("none")
    line = mark.handle()
    line.set_data([0.04, 0.5, 0.96], [0.5, 0.5, 0.5])
    figure.add_artist(line)
    return Markup(to_svg(figure, name=name, label=""))
