from typing import Any

import pytest

from qarank.report.plot_style import plot_style
from qarank.report.round_curves import find_kept, find_thresholds, plan_round_plates
from qarank.report.study import Row, Study
from tests.report.studies import many_kinds, scored_as_v1

ROWS = [Row("a_0", "a", "svd + adalora", 0, 0.1), Row("b_0", "b", "frd", 0, 0.1)]


def make_round(step: int, total: int, threshold: float | None) -> dict[str, Any]:
    ranks = {"q": total // 2, "k": total - total // 2}
    return {"global_step": step, "budget": total, "ranks": ranks, "threshold": threshold}


def make_study(*rounds: dict[str, Any], last_step: int = 0) -> Study:
    curves = {"a_0": [{"global_step": last_step}]} if last_step else {}
    return Study("s", ROWS, rounds={"a_0": rounds, "b_0": []}, curves=curves)


def axes_of(study: Study, place: int) -> Any:
    (plate,) = plan_round_plates(study)
    with plot_style():
        return plate.panels[place].draw().axes[0]


def test_what_is_kept_is_the_sum_over_the_matrices_until_the_runs_last_step() -> None:
    rounds = [make_round(10, 24, None), make_round(20, 17, 0.5)]
    (line,) = find_kept(make_study(*rounds, last_step=50))
    assert (line.row, line.points) == (ROWS[0], [(10, 24.0), (20, 17.0), (50, 17.0)])
    (line,) = find_kept(make_study(*rounds, last_step=15))
    assert line.points[-1] == (20, 17.0)


def test_a_round_that_cut_nothing_has_no_threshold() -> None:
    rounds = [make_round(10, 24, None), make_round(20, 17, 0.5), make_round(30, 9, float("inf"))]
    (line,) = find_thresholds(make_study(*rounds))
    assert line.points == [(20, 0.5)]


def test_without_a_cut_there_is_no_panel_of_thresholds() -> None:
    (plate,) = plan_round_plates(make_study(make_round(10, 24, None)))
    assert [panel.name for panel in plate.panels] == ["rounds-0-kept"]


def test_without_a_round_there_is_no_plate() -> None:
    assert plan_round_plates(scored_as_v1().study) == []


def test_both_panels_run_over_the_same_steps() -> None:
    (plate,) = plan_round_plates(many_kinds().study)
    with plot_style():
        kept, threshold = (panel.draw().axes[0] for panel in plate.panels)
    assert kept.get_xlim() == threshold.get_xlim()
    assert kept.lines[0].get_drawstyle() == "steps-post"
    assert [label for label, _ in plate.legend] == ["ada_r2", "ada_r8"]


@pytest.mark.parametrize(
    ("values", "scale"), [((1e-9, 1e-5), "log"), ((0.0, 0.5), "linear"), ((0.4, 0.5), "linear")]
)
def test_thresholds_far_apart_are_drawn_by_their_powers(
    values: tuple[float, float], scale: str
) -> None:
    rounds = [make_round(10 * place, 20, value) for place, value in enumerate(values, start=1)]
    axes = axes_of(make_study(*rounds), 1)
    assert axes.get_yscale() == scale
    low, high = axes.get_ylim()
    assert low <= values[0] and values[1] < high
    assert scale == "log" or low == 0


def test_nothing_kept_is_a_line_on_the_ground() -> None:
    axes = axes_of(make_study(make_round(10, 0, 0.0), make_round(20, 0, 0.0)), 0)
    assert axes.get_ylim() == (0, 1)
