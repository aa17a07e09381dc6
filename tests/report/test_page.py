import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from qarank.report.page import build_page, describe_progress
from qarank.report.study import Results
from tests.report.studies import ODD_NAME, ODD_REASON, STUDIES, gather, make_row, many_kinds

VOID = {"meta", "link", "br"}
WHEN = "2026-11-29T01:23+00:00"


class Reader(HTMLParser):
    """Tags that are open, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    def find(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in tags]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: build_page(results, generated=WHEN) for name, results in STUDIES.items()}


@pytest.mark.parametrize("name", STUDIES)
def test_tags_are_closed_ids_are_unique_and_references_are_met(
    pages: dict[str, str], name: str
) -> None:
    reader = Reader(pages[name])
    assert reader.open == []
    ids = Counter(attributes["id"] for _, attributes in reader.tags if "id" in attributes)
    assert max(ids.values()) == 1
    hrefs = [str(attributes["href"]) for _, attributes in reader.tags if "href" in attributes]
    inside = {href[1:] for href in hrefs if href.startswith("#")}
    inside |= set(re.findall(r"url\(#([^)]+)\)", pages[name]))
    assert inside and inside <= set(ids)


@pytest.mark.parametrize("name", STUDIES)
def test_nothing_is_fetched_and_nothing_is_run(pages: dict[str, str], name: str) -> None:
    reader = Reader(pages[name])
    assert not reader.find("script", "img", "iframe", "object", "embed", "form", "base")
    assert [link["href"] for link in reader.find("link")] == ["data:,"]
    assert not re.search(r"@import|url\((?!#)", pages[name])
    assert not any(key.startswith("on") for _, attributes in reader.tags for key in attributes)
    policy = next(meta for meta in reader.find("meta") if meta.get("http-equiv"))
    assert str(policy["content"]).startswith("default-src 'none'; style-src 'unsafe-inline'")


@pytest.mark.parametrize("name", STUDIES)
def test_the_same_results_make_the_same_page(pages: dict[str, str], name: str) -> None:
    assert build_page(STUDIES[name], generated=WHEN) == pages[name]


@pytest.mark.parametrize("name", STUDIES)
def test_what_is_drawn_is_named_and_tables_say_what_their_heads_are_of(
    pages: dict[str, str], name: str
) -> None:
    reader = Reader(pages[name])
    for svg in reader.find("svg"):
        assert svg.get("aria-hidden") == "true" or (svg["role"] == "img" and svg["aria-label"])
    assert {head.get("scope") for head in reader.find("th")} <= {"col", "row"}
    assert len(reader.find("figure")) == len(reader.find("figcaption"))
    assert len(reader.find("h1")) == 1
    assert "<title>made_up: a sweep</title>" in pages[name].partition("</head>")[0]


def test_every_plot_of_many_kinds_is_there(pages: dict[str, str]) -> None:
    shown = [svg for svg in Reader(pages["many kinds"]).find("svg") if "aria-label" in svg]
    assert len(shown) == 2 + 2 + 3 + 2
    assert pages["many kinds"].count("<figcaption>") == 4


def test_names_and_reasons_are_text_wherever_they_stand(pages: dict[str, str]) -> None:
    page = pages["many kinds"]
    assert "<b>" not in page and "<script" not in page and "<i>12" not in page
    texts = Reader(page).texts
    assert ODD_NAME in texts and any(ODD_REASON in text for text in texts)


def test_every_value_of_every_kind_is_escaped() -> None:
    odd = "<u x='1'>&\"$"
    study = replace(
        gather([make_row(odd, odd, reason=odd, start_budget=4)]).study,
        name=odd,
        recipe=odd,
        data={odd: {odd: odd}},
        versions={odd: odd},
        hardware={odd: odd},
    )
    page = build_page(Results(study, gather(study.rows).groups), generated=odd)
    assert "<u x" not in page
    reader = Reader(page)
    assert reader.open == []
    assert sum(odd in text for text in reader.texts) >= 12


def test_failures_stand_at_the_top_with_their_reasons(pages: dict[str, str]) -> None:
    page = pages["nothing finished"]
    assert page.index("data.train: no such file") < page.index("<nav")
    assert "No run is finished yet." in page
    assert "<figure" not in page
    assert "Not finished" not in pages["sixteen points"]


def test_sections_without_content_are_not_led_to(pages: dict[str, str]) -> None:
    hrefs = [link["href"] for link in Reader(pages["v1, one seed"]).find("a")]
    assert "#curves" in hrefs and "#trajectories" not in hrefs and "#comparisons" not in hrefs


def test_recipe_versions_hardware_and_time_are_told(pages: dict[str, str]) -> None:
    text = "".join(Reader(pages["many kinds"]).texts)
    assert many_kinds().study.recipe in text
    for told in ("2.13.0", "cpu (x86_64)", WHEN, "a paper, table 2", "almanac"):
        assert told in text


def test_the_page_leads_to_every_table_beside_it(pages: dict[str, str]) -> None:
    hrefs = {link["href"] for link in Reader(pages["many kinds"]).find("a")}
    tables = {"summary.json", "summary.csv", "summary_groups.csv", "summary.md"}
    assert tables <= hrefs


def test_both_schemes_have_their_colours(pages: dict[str, str]) -> None:
    light, _, dark = pages["many kinds"].partition("prefers-color-scheme: dark")
    assert "--paper: #ffffff" in light and "--paper: #15181d" in dark


def test_progress_counts_the_runs_of_each_state() -> None:
    rows = many_kinds().study.rows
    assert describe_progress(rows) == "17 runs: 14 finished, 1 failed, 1 running, 1 waiting"
    assert describe_progress(rows[:1]) == "1 run: 1 finished"
