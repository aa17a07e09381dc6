"""EM and F1 of all methods against the budget: what is drawn, and what is said of it."""

from collections.abc import Sequence

from qarank.report.budget_plot import NAMES, BudgetPlot
from qarank.report.marks import PUBLISHED, mark_all
from qarank.report.plate import Panel, Plate
from qarank.report.study import Group, Results


def plan_budget_plate(results: Results) -> Plate | None:
    """EM and F1 beside each other; None before a run is finished."""
    groups = [group for group in results.groups if group.figures]
    if not groups:
        return None
    marks = mark_all(row.method for row in results.study.rows)
    shown = {group.method for group in groups}
    legend = [(method, mark) for method, mark in marks.items() if method in shown]
    sources = dict.fromkeys(group.published.source for group in groups if group.published)
    legend += [(f"published: {source}", PUBLISHED) for source in sources]
    panels = [
        Panel(
            name=f"budget-{key}",
            label=f"{name} of {len(groups)} groups against the parameters of the kept triplets",
            paint=BudgetPlot(groups, marks, key).paint,
        )
        for key, name in NAMES.items()
    ]
    return Plate(describe_plot(groups, bool(sources)), panels, legend)


def describe_plot(groups: Sequence[Group], is_published: bool) -> str:
    """The caption: what stands for what, of what there is."""
    said = ["A point is the mean of a group's runs."]
    if any(len(group.seeds) > 1 for group in groups):
        said.append("The bar is the sample standard deviation over its seeds, the dots beside it.")
    if len({group.method for group in groups}) > 1:
        said.append("Methods at one budget stand a little apart.")
    if not all(group.budget for group in groups):
        said.append("A method without triplets is a level line, with a band for the deviation.")
    if is_published:
        said.append("Rings are figures that others have published for the same settings.")
    return " ".join(said)
