from dataclasses import replace
from typing import Any

import pytest

from qarank.report.learning_curves import (
    F1,
    LOSS,
    find_limits,
    find_lines,
    plan_learning_plates,
)
from qarank.report.plot_style import plot_style
from qarank.report.study import Row, Study
from tests.report.studies import many_kinds, nothing_finished, sixteen_points

ROWS = [Row("a_0", "a", "frd", 0, 0.1), Row("b_0", "b", "svd", 0, 0.1)]


def make_study(**curves: list[dict[str, Any]]) -> Study:
    return Study("s", ROWS, curves=curves)


def test_a_line_has_the_steps_at_which_its_key_was_logged() -> None:
    study = make_study(
        a_0=[
            {"global_step": 1, LOSS: 3.0},
            {"global_step": 2, F1: 40},
            {"global_step": 3, LOSS: 2.5, F1: 50.0},
            {"global_step": 4, LOSS: None},
            {"global_step": 5, LOSS: float("nan"), F1: float("inf")},
        ]
    )
    (loss,) = find_lines(study, LOSS)
    (score,) = find_lines(study, F1)
    assert (loss.row, loss.points) == (ROWS[0], [(1, 3.0), (3, 2.5)])
    assert score.points == [(2, 40.0), (3, 50.0)]


def test_runs_on_the_way_are_drawn_and_those_that_wait_are_not() -> None:
    points = [line.row.point for line in find_lines(many_kinds().study, LOSS)]
    assert "lora_r16_seed1" in points and "lora_r16_seed2" not in points


def test_one_evaluation_a_run_is_no_curve_and_the_caption_says_so() -> None:
    once = [{"global_step": 9, LOSS: 2.0, F1: 60.0}]
    (plate,) = plan_learning_plates(make_study(a_0=once, b_0=once))
    assert [panel.name for panel in plate.panels] == ["curves-0-loss"]
    assert "no curves of F1" in plate.caption
    twice = [{"global_step": 5, F1: 50.0}, *once]
    (plate,) = plan_learning_plates(make_study(a_0=twice, b_0=once))
    assert [panel.name for panel in plate.panels] == ["curves-0-loss", "curves-0-f1"]
    assert "no curves" not in plate.caption


def test_before_anything_is_logged_there_is_no_plate() -> None:
    assert plan_learning_plates(nothing_finished().study) == []


def test_by_method_all_panels_of_a_kind_have_the_same_axes() -> None:
    study = sixteen_points().study
    longer = [*study.curves["svd_r8_seed0"], {"global_step": 900, LOSS: 9.0, F1: 99.0}]
    study = replace(study, curves={**study.curves, "svd_r8_seed0": longer})
    plates = plan_learning_plates(study)
    assert [plate.title for plate in plates] == ["frd", "svd + adalora"]
    with plot_style():
        drawn = [[panel.draw().axes[0] for panel in plate.panels] for plate in plates]
    for one, other in zip(*drawn, strict=True):
        assert one.get_ylim() == other.get_ylim()
        assert one.get_xlim() == other.get_xlim()
    assert [axes.get_title(loc="left") for axes in drawn[0]] == ["training loss", "F1, %"]
    names = [panel.name for plate in plates for panel in plate.panels]
    assert len(set(names)) == 4


@pytest.mark.parametrize("values", [[1.0, 3.0], [2.0], [-1.0, -1.0]])
def test_limits_leave_room_around_the_values(values: list[float]) -> None:
    low, high = find_limits(values)
    assert low < min(values) <= max(values) < high
