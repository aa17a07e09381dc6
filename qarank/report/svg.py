"""A figure as SVG inside a page: its colours and fonts are the page's, its text is text.

Matplotlib's file is read and written anew, since on a page with several drawings ids must differ,
a style rule for every element must not be, and a file's own width, font and colours must yield.
"""

import io
import re
import xml.etree.ElementTree as ET

from matplotlib.figure import Figure

from qarank.report.plot_style import TIP
from qarank.report.theme import NAMES

NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # control characters, from a name
COLOUR = re.compile(r"#[0-9a-f]{6}\b")
FONT = re.compile(r"font-family:[^;]*;?\s*")
LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
REFERENCE = re.compile(r"#([\w-]+)")
XLINK = "{http://www.w3.org/1999/xlink}href"
SHORTENED = ("d", "x", "y", "width", "height", "transform")


def to_svg(figure: Figure, *, name: str, label: str) -> str:
    """The figure as an <svg> element. Call it in `plot_style`.

    Args:
        figure: drawn in colours of `theme` alone.
        name: starts all ids; unique on the page.
        label: what it shows, for those who do not see it; empty where words beside it say so.
    """
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    root = ET.fromstring(NOT_XML.sub("", file.getvalue()))
    _strip(root)
    used = {target for element in root.iter() for target in _references(element)}
    for element in root.iter():
        _take_tip(element)
        _rewrite(element, name, used)
    size = root.get("viewBox", "").split()
    root.attrib = {
        "class": "plot",
        "viewBox": " ".join(size),
        "width": size[2],
        "height": size[3],
        **({"role": "img", "aria-label": label} if label else {"aria-hidden": "true"}),
    }
    return ET.tostring(root, encoding="unicode")


def _strip(root: ET.Element) -> None:
    """Leave out names of namespaces, metadata, style rules and the space between elements."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        if XLINK in element.attrib:
            element.set("href", element.attrib.pop(XLINK))
    for element in list(root.iter()):
        for child in list(element):
            child.tail = None
            if child.tag in ("metadata", "style"):
                element.remove(child)
        if element.tag != "text":
            element.text = None


def _references(element: ET.Element) -> list[str]:
    """The ids that an element refers to."""
    return REFERENCE.findall(element.get("href", "") + element.get("clip-path", ""))


def _take_tip(element: ET.Element) -> None:
    """Turn an id that is a tip into a title, which browsers show on hover."""
    if element.get("id", "").startswith(TIP):
        title = ET.Element("title")
        title.text = element.attrib.pop("id").removeprefix(TIP)
        element.insert(0, title)


def _rewrite(element: ET.Element, name: str, used: set[str]) -> None:
    attributes = element.attrib
    if "id" in attributes:
        if attributes["id"] in used:
            attributes["id"] = f"{name}-{attributes['id']}"
        else:
            del attributes["id"]
    for key in ("href", "clip-path"):
        if key in attributes:
            attributes[key] = REFERENCE.sub(rf"#{name}-\1", attributes[key])
    if "style" in attributes:
        style = FONT.sub("", attributes["style"])
        attributes["style"] = COLOUR.sub(lambda found: f"var(--{NAMES[found[0]]})", style)
    for key in SHORTENED:
        if key in attributes:
            attributes[key] = LONG_NUMBER.sub(_shorten, attributes[key])


def _shorten(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
