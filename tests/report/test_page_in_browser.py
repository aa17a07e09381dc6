"""The page as a browser shows it: Debian's chromium, without a window and without a network."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from qarank.report.file_names import TABLES
from qarank.report.page import build_page
from qarank.report.theme import INK, PAPER, SERIES, Scheme
from tests.report.studies import STUDIES

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTHS = (1200, 400)
HIDDEN_DRAWINGS = """
const isSeen = box => box.width + box.height > 0 && box.right > 0 && box.left < innerWidth;
return [...document.querySelectorAll("svg")].filter(svg => {
  const box = svg.getBoundingClientRect();
  const marks = [...svg.querySelectorAll("path, use")].filter(mark => !mark.closest("defs"));
  return !(box.width * box.height > 0 && marks.some(mark => isSeen(mark.getBoundingClientRect())));
}).map(svg => svg.getAttribute("aria-label"));
"""
CUT_TEXTS = """
return [...document.querySelectorAll("svg text")].filter(text => {
  const inner = text.getBoundingClientRect();
  const outer = text.ownerSVGElement.getBoundingClientRect();
  return inner.left < outer.left - 1 || inner.right > outer.right + 1
    || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
}).map(text => text.textContent);
"""
SCROLLED = """
return [document.documentElement, document.body].some(each => each.scrollWidth > each.clientWidth);
"""
LINKS = """
const links = [...document.querySelectorAll("a[href]")];
return links.map(link => [link.getAttribute("href"), link.href]);
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = Chrome(options=options, service=Service(driver))
    yield opened
    opened.quit()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Study -> a sweep's folder with its page and its runs' folders."""
    return {name: fill_folder(tmp_path_factory.mktemp("sweep"), name) for name in STUDIES}


def fill_folder(folder: Path, name: str) -> Path:
    results = STUDIES[name]
    for file in TABLES:
        (folder / file).write_text("", encoding="utf-8")
    for link in results.study.links.values():
        (folder / link).mkdir(parents=True)
    page = build_page(results, generated="2026-11-29T01:23+00:00")
    (folder / "report.html").write_text(page, encoding="utf-8")
    return folder


def open_page(
    browser: Chrome, folder: Path, *, width: int = 1200, scheme: Scheme = "light"
) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size: dict[str, Any] = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get((folder / "report.html").as_uri())


def style_of(browser: Chrome, selector: str, key: str) -> str:
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    return str(browser.execute_script(script, selector, key))


def as_rgb(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"


@pytest.mark.parametrize("name", STUDIES)
def test_the_browser_has_nothing_to_complain_of_and_asks_for_nothing_else(
    browser: Chrome, folders: dict[str, Path], name: str
) -> None:
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # what earlier pages left
    for scheme in ("light", "dark"):
        open_page(browser, folders[name], scheme=scheme)
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []
    sent = [
        entry["message"]
        for entry in browser.get_log("performance")
        if '"Network.requestWillBeSent"' in entry["message"]
    ]
    page = (folders[name] / "report.html").as_uri()
    assert len([message for message in sent if f'"url":"{page}"' in message]) == 2
    assert [
        message for message in sent if page not in message and '"url":"data:' not in message
    ] == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", STUDIES)
def test_every_drawing_is_seen_no_word_is_cut_and_the_page_does_not_scroll_sideways(
    browser: Chrome, folders: dict[str, Path], name: str, width: int
) -> None:
    open_page(browser, folders[name], width=width)
    assert browser.execute_script("return innerWidth") == width
    assert browser.execute_script(HIDDEN_DRAWINGS) == []
    assert browser.execute_script(CUT_TEXTS) == []
    assert browser.execute_script(SCROLLED) is False


@pytest.mark.parametrize("name", STUDIES)
def test_every_link_leads_somewhere(browser: Chrome, folders: dict[str, Path], name: str) -> None:
    open_page(browser, folders[name])
    links = browser.execute_script(LINKS)
    for written, meant in links:
        if written.startswith("#"):
            assert browser.execute_script("return !!document.querySelector(arguments[0])", written)
        else:
            path = Path(unquote(urlsplit(meant).path))
            assert path.exists() and path.is_relative_to(folders[name])
    assert len(links) >= 3 + len(STUDIES[name].study.links)


def test_page_and_drawings_follow_the_scheme(browser: Chrome, folders: dict[str, Path]) -> None:
    for scheme in ("light", "dark"):
        open_page(browser, folders["many kinds"], scheme=scheme)
        assert style_of(browser, "body", "backgroundColor") == as_rgb(getattr(PAPER, scheme))
        strokes = browser.execute_script(
            "return [...document.querySelectorAll('svg path')].map(p => getComputedStyle(p).stroke)"
        )
        assert as_rgb(getattr(SERIES[0], scheme)) in strokes
        fills = browser.execute_script(
            "return [...document.querySelectorAll('svg text')].map(t => getComputedStyle(t).fill)"
        )
        assert as_rgb(getattr(INK, scheme)) in fills


def test_words_in_drawings_have_the_pages_font(browser: Chrome, folders: dict[str, Path]) -> None:
    open_page(browser, folders["many kinds"])
    fonts = [style_of(browser, selector, "fontFamily") for selector in ("body", "svg text")]
    assert fonts[0] == fonts[1] and "sans-serif" in fonts[0]


def test_the_recipe_is_shown_when_it_is_asked_for(
    browser: Chrome, folders: dict[str, Path]
) -> None:
    open_page(browser, folders["many kinds"])
    recipe = browser.find_element("css selector", "details pre")
    assert not recipe.is_displayed()
    browser.find_element("css selector", "summary").click()
    assert recipe.is_displayed() and recipe.text == STUDIES["many kinds"].study.recipe.strip()
