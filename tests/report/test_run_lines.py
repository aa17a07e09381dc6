import numpy as np

from qarank.report.marks import mark_all
from qarank.report.plot_style import new_figure, plot_style
from qarank.report.run_lines import MOST_POINTS, RunLine, last_step_of, paint_lines, values_of
from qarank.report.study import Row

ROWS = [Row(f"{group}_{seed}", group, "frd", seed, 0.1) for group in "ab" for seed in range(2)]
LINES = [RunLine(row, [(10, 2.0), (20, 1.0 + place)]) for place, row in enumerate(ROWS)]


def test_values_and_the_last_step_are_those_of_all_runs() -> None:
    longer = RunLine(ROWS[0], [(5, 0.5), (40, 9.0)])
    assert values_of([LINES[0], longer]) == [2.0, 1.0, 0.5, 9.0]
    assert last_step_of([LINES[0], longer]) == 40


def test_a_run_is_a_line_and_the_seeds_of_a_group_look_alike() -> None:
    with plot_style():
        axes = new_figure(200, 100).add_subplot()
        paint_lines(axes, LINES, mark_all("ab"), 50)
    assert [line.get_gid() for line in axes.lines] == [f"tip:{row.point}" for row in ROWS]
    colours = [line.get_color() for line in axes.lines]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    assert axes.lines[0].get_marker() != axes.lines[2].get_marker()
    np.testing.assert_array_equal(axes.lines[3].get_ydata(), [2.0, 4.0])
    assert axes.get_xlim()[0] == 0 and axes.get_xlim()[1] >= 50


def test_steps_are_whole_numbers() -> None:
    with plot_style():
        axes = new_figure(400, 100).add_subplot()
        paint_lines(axes, LINES[:1], mark_all("a"), 3)
    assert all(tick == round(tick) for tick in axes.get_xticks())


def test_a_long_run_keeps_its_ends_and_no_more_points_than_are_seen() -> None:
    points = [(step, float(step % 7)) for step in range(1, 5000)]
    with plot_style():
        axes = new_figure(200, 100).add_subplot()
        paint_lines(axes, [RunLine(ROWS[0], points)], mark_all("a"), 5000, drawstyle="steps-post")
    (line,) = axes.lines
    assert len(line.get_xdata()) == MOST_POINTS
    assert (line.get_xdata()[0], line.get_xdata()[-1]) == (1, 4999)
    assert line.get_drawstyle() == "steps-post"
