from dataclasses import replace

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from qarank.report.mean_ranks import MeanRanks, RankPlot, average_ranks, plan_rank_plate, show_rank
from qarank.report.plot_style import TIP, new_figure, plot_style
from qarank.report.study import Row, Study
from qarank.report.theme import LEVELS
from tests.report.studies import make_row, many_kinds, scored_as_v1


def allocated(seed: int, ranks: dict[str, int], **changes: object) -> Row:
    row = make_row("ada", "svd + adalora", seed)
    return replace(row, ranks=ranks, **changes)  # type: ignore[arg-type]


def make_mean(layers: int, rank: float) -> MeanRanks:
    kinds = ("query", "output.dense")
    ranks = {f"bert.layer.{layer}.{kind}": rank for layer in range(layers) for kind in kinds}
    return MeanRanks("ada", 3, ranks)


def paint(mean: MeanRanks) -> Axes:
    plot = RankPlot(mean)
    with plot_style():
        axes = new_figure(plot.width, plot.height).add_subplot()
        plot.paint(axes)
    return axes


def cells_of(axes: Axes) -> dict[str, Rectangle]:
    """What is told of a cell -> the cell."""
    patches = {str(patch.get_gid()): patch for patch in axes.patches}
    return {key.removeprefix(TIP): patch for key, patch in patches.items() if TIP in key}  # type: ignore[misc]


def test_the_mean_is_over_the_seeds_that_finished() -> None:
    rows = [
        allocated(0, {"a": 1, "b": 4}),
        allocated(1, {"a": 2, "b": 0}),
        replace(allocated(2, {"a": 90, "b": 90}), state="failed"),
    ]
    (mean,) = average_ranks(Study("s", rows))
    assert (mean.group, mean.seeds, mean.ranks) == ("ada", 2, {"a": 1.5, "b": 2.0})


@pytest.mark.parametrize(
    ("method", "start_budget", "is_drawn"),
    [
        ("svd", None, True),
        ("svd + adalora", 9, True),
        ("frd + norm", 9, True),
        ("frd", None, False),
    ],
)
def test_groups_whose_ranks_may_differ_have_a_map(
    method: str, start_budget: int | None, is_drawn: bool
) -> None:
    row = replace(make_row("g", method), start_budget=start_budget)
    assert len(average_ranks(Study("s", [row]))) == is_drawn


def test_a_sweep_has_a_panel_for_each_map_and_none_is_no_plate() -> None:
    plate = plan_rank_plate(many_kinds().study)
    assert plate is not None and plate.columns == 1
    assert [panel.name for panel in plate.panels] == ["ranks-0", "ranks-1", "ranks-2"]
    assert plate.panels[0].label.startswith("ada_r2: mean ranks of 16 matrices")
    assert plan_rank_plate(scored_as_v1().study) is None


def test_a_cell_has_the_colour_of_its_share_and_its_number() -> None:
    axes = paint(MeanRanks("ada", 1, {"layer.0.q": 0, "layer.1.q": 4, "layer.0.k": 8}))
    cells = cells_of(axes)
    assert set(cells) == {"q, layer 0: 0", "q, layer 1: 4", "k, layer 0: 8"}
    colours = [to_hex(cell.get_facecolor()) for cell in cells.values()]
    assert colours == [LEVELS[0].light, LEVELS[8].light, LEVELS[16].light]
    assert [text.get_text() for text in axes.texts] == ["layer", "0", "4", "8", "rank 0", "8"]


def test_numbers_are_left_out_where_they_do_not_fit() -> None:
    assert len(paint(make_mean(12, 2.7)).texts) == 24 + 3
    assert len(paint(make_mean(48, 2.7)).texts) == 3


@pytest.mark.parametrize("layers", [1, 12, 48, 200])
def test_a_map_of_any_size_has_all_its_cells_inside(layers: int) -> None:
    axes = paint(make_mean(layers, 3.0))
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert len(cells_of(axes)) == 2 * layers
    for cell in cells_of(axes).values():
        assert left <= cell.get_x() and cell.get_x() + cell.get_width() <= right
        assert top <= cell.get_y() and cell.get_y() + cell.get_height() <= bottom


def test_all_at_rank_0_is_a_map_too() -> None:
    cells = cells_of(paint(make_mean(2, 0.0)))
    assert {to_hex(cell.get_facecolor()) for cell in cells.values()} == {LEVELS[0].light}


@pytest.mark.parametrize(("rank", "text"), [(3.0, "3"), (2.999, "3"), (2.75, "2.8"), (0, "0")])
def test_a_mean_has_a_digit_where_it_is_not_whole(rank: float, text: str) -> None:
    assert show_rank(rank) == text
