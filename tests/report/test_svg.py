import re
import xml.etree.ElementTree as ET

from matplotlib.figure import Figure

from qarank.report.plot_style import new_figure, plot_style, set_tip
from qarank.report.svg import to_svg
from qarank.report.theme import SERIES

TITLE = "<b>F1</b> & $x^2$"


def draw() -> Figure:
    figure = new_figure(300, 200)
    axes = figure.add_subplot()
    axes.set_title(TITLE)
    axes.set_xlabel("step")
    (line,) = axes.plot([1, 2, 3], [1.0, 3.0, 2.0], "o-", color=SERIES[1].light)
    set_tip(line, "<i>run</i> 1")
    return figure


def write(name: str = "one", label: str = "a <label>") -> str:
    with plot_style():
        return to_svg(draw(), name=name, label=label)


def ids_of(svg: str) -> list[str]:
    return [each.attrib["id"] for each in ET.fromstring(svg).iter() if "id" in each.attrib]


def test_colours_are_the_pages_variables_and_none_is_fixed() -> None:
    svg = write()
    assert "var(--series-1)" in svg and "var(--ink)" in svg and "var(--grid)" in svg
    assert not re.search(r"#[0-9a-f]{6}\b|#[0-9a-f]{3}\b", re.sub(r'href="#[^"]*"', "", svg))


def test_text_is_text_in_the_pages_font_and_means_what_it_says() -> None:
    texts = [text.text for text in ET.fromstring(write()).iter("text")]
    assert TITLE in texts and "step" in texts
    assert "font-family" not in write()


def test_nothing_in_it_styles_the_page_or_says_when_it_was_made() -> None:
    tags = {element.tag for element in ET.fromstring(write()).iter()}
    assert tags <= {"svg", "g", "defs", "path", "use", "text", "clipPath", "rect", "title"}


def test_ids_of_two_drawings_differ_and_every_reference_is_met() -> None:
    one, other = write("one"), write("other")
    assert not set(ids_of(one)) & set(ids_of(other))
    assert len(ids_of(one)) == len(set(ids_of(one))) > 2
    named = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', one)
    assert {first or second for first, second in named} == set(ids_of(one))


def test_a_tip_is_a_title_within_what_it_is_of() -> None:
    titles = [title.text for title in ET.fromstring(write()).iter("title")]
    assert titles == ["<i>run</i> 1"]
    assert "tip:" not in write()


def test_it_says_what_it_shows_or_that_words_beside_it_do() -> None:
    shown, beside = ET.fromstring(write()), ET.fromstring(write(label=""))
    assert (shown.get("role"), shown.get("aria-label")) == ("img", "a <label>")
    assert (beside.get("aria-hidden"), beside.get("role")) == ("true", None)


def test_a_control_character_in_a_name_is_left_out() -> None:
    with plot_style():
        figure = draw()
        figure.axes[0].set_title("a\x1b[1mb")
        assert "a[1mb" in to_svg(figure, name="n", label="")


def test_the_same_drawing_is_the_same_text() -> None:
    assert write() == write()


def test_its_size_is_the_figures_and_numbers_are_short() -> None:
    root = ET.fromstring(write())
    assert (root.get("viewBox"), root.get("width"), root.get("height")) == (
        "0 0 300 200",
        "300",
        "200",
    )
    assert not re.search(r'(?: d|x|y|transform)="[^"]*\.\d{3}', write())
