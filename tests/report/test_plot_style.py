import io
import subprocess
import sys
import warnings

import matplotlib
import matplotlib.image
import pytest

from qarank.report.plot_style import PNG_DPI, STYLE, new_figure, plot_style, set_tip, to_png
from qarank.report.theme import NAMES


def test_a_unit_is_a_seventy_second_of_an_inch_and_the_paper_is_white() -> None:
    with plot_style():
        figure = new_figure(144, 72)
        figure.add_subplot()
        pixels = matplotlib.image.imread(io.BytesIO(to_png(figure)))
    assert pixels.shape[:2] == (PNG_DPI, 2 * PNG_DPI)
    assert (pixels[0] == 1).all()


def test_every_colour_of_the_style_is_a_shades() -> None:
    colours = {value for value in STYLE.values() if str(value).startswith("#")}
    assert colours and colours <= set(NAMES)


def test_the_style_is_gone_after_it() -> None:
    before = dict(matplotlib.rcParams)
    with plot_style():
        assert matplotlib.rcParams["svg.fonttype"] == "none"
    assert dict(matplotlib.rcParams) == before


def test_a_name_in_letters_that_the_font_has_not_is_drawn_without_a_warning() -> None:
    with plot_style():
        figure = new_figure(144, 72)
        figure.suptitle("\N{CJK UNIFIED IDEOGRAPH-4E2D} $x$")
        figure.add_subplot()
        assert to_png(figure)


def test_other_warnings_are_still_heard() -> None:
    with plot_style(), pytest.raises(UserWarning, match="other"):
        warnings.warn("other", UserWarning, stacklevel=1)


def test_a_tip_is_kept_by_its_artist() -> None:
    text = new_figure(10, 10).text(0, 0, "x")
    set_tip(text, "more")
    assert text.get_gid() == "tip:more"


def test_it_opens_no_window_and_needs_no_torch() -> None:
    code = (
        "import sys, qarank.report.page;"
        "print('matplotlib.pyplot' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
