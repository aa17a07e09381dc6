import io
from collections.abc import Callable
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
from matplotlib.axes import Axes

from qarank.report.marks import mark_at
from qarank.report.plate import LONGEST_LABEL, Panel, Plate, draw_plates
from qarank.report.plot_style import PNG_DPI, UNITS_PER_INCH, plot_style
from qarank.report.theme import SERIES


def fill(place: int) -> Callable[[Axes], None]:
    """Paints the axes in a colour of the series."""
    return lambda axes: axes.set_facecolor(SERIES[place].light)


def make_plate(count: int = 2, *, columns: int = 2, label: str = "lora", title: str = "") -> Plate:
    panels = [Panel(f"p{place}", "p", fill(place), width=200, height=100) for place in range(count)]
    return Plate("c", panels, [(label, mark_at(5))], title, columns=columns)


def look(png: bytes) -> np.ndarray:
    """(height, width, 3), 0..255."""
    return np.round(np.asarray(matplotlib.image.imread(io.BytesIO(png)))[..., :3] * 255)


def is_painted(pixels: np.ndarray, place: int) -> np.ndarray:
    """(height, width) bool: where the colour of the series is."""
    wanted = [int(SERIES[place].light[at : at + 2], 16) for at in (1, 3, 5)]
    return np.asarray((np.abs(pixels - wanted) <= 1).all(axis=-1))


def find(pixels: np.ndarray, place: int) -> tuple[float, float]:
    """The middle of what has the colour, from the left and from the top."""
    rows, columns = np.nonzero(is_painted(pixels, place))
    assert len(rows) > 100
    return float(columns.mean()), float(rows.mean())


def test_panels_stand_beside_each_other_and_then_below() -> None:
    pixels = look(draw_plates([make_plate(3)]))
    first, second, third = (find(pixels, place) for place in range(3))
    assert first[0] < second[0] and first[1] == pytest.approx(second[1], abs=2)
    assert third[0] == pytest.approx(first[0], abs=2) and third[1] > first[1]


def test_a_plate_of_one_column_has_its_panels_below_each_other() -> None:
    pixels = look(draw_plates([make_plate(2, columns=1)]))
    first, second = (find(pixels, place) for place in range(2))
    assert first[0] == pytest.approx(second[0], abs=2) and first[1] < second[1]


def test_a_legend_shows_the_marks_of_the_series_below_the_panels() -> None:
    pixels = look(draw_plates([make_plate()]))
    assert find(pixels, 5)[1] > find(pixels, 0)[1]


def test_a_legend_takes_no_room_from_the_panels() -> None:
    with_legend, without = make_plate(), replace(make_plate(), legend=())
    rows = [
        np.nonzero(is_painted(look(draw_plates([plate])), 0))[0] for plate in (with_legend, without)
    ]
    heights = [found.max() - found.min() for found in rows]
    assert heights[0] == pytest.approx(heights[1], rel=0.1)


def test_plates_stand_below_each_other() -> None:
    one, two = (look(draw_plates([make_plate(title="t")] * count)) for count in (1, 2))
    assert two.shape[1] == one.shape[1]
    assert two.shape[0] == pytest.approx(2 * one.shape[0], abs=2)


def test_a_long_label_is_broken_and_nothing_is_cut_at_the_edge() -> None:
    label = "published: " + "a source with a long name " * 8
    assert len(label) > 2 * LONGEST_LABEL
    pixels = look(draw_plates([make_plate(4, label=label)]))
    for edge in (pixels[0], pixels[-1], pixels[:, 0]):
        assert (edge == 255).all()
    assert pixels.shape[0] > look(draw_plates([make_plate(4)])).shape[0]


def test_a_panel_alone_has_its_own_size() -> None:
    with plot_style():
        figure = Panel("p", "p", fill(0), width=200, height=100).draw()
    assert figure.get_size_inches() * UNITS_PER_INCH == pytest.approx([200, 100])
    assert len(figure.axes) == 1
    assert PNG_DPI > UNITS_PER_INCH
