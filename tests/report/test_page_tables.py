import pytest

from qarank.report.page_table import Table
from qarank.report.page_tables import (
    comparisons_table,
    cost_table,
    data_table,
    results_table,
    runs_table,
)
from qarank.report.study import Study
from tests.report.studies import (
    ODD_NAME,
    ODD_REASON,
    STUDIES,
    gather,
    make_row,
    many_kinds,
    nothing_finished,
    scored_as_v1,
)

MINUS = "\N{MINUS SIGN}"


def read(table: Table) -> dict[str, dict[str, str]]:
    """First cell -> column -> text."""
    names = [column.name for column in table.columns]
    return {
        row[0].text: dict(zip(names, (cell.text for cell in row), strict=True))
        for row in table.rows
    }


@pytest.mark.parametrize("name", STUDIES)
def test_every_row_has_a_cell_for_each_column(name: str) -> None:
    results = STUDIES[name]
    tables = [results_table(results), runs_table(results.study), cost_table(results.study)]
    for table in tables:
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_a_group_has_its_figures_and_what_it_differs_by_from_the_published() -> None:
    results = many_kinds()
    group = next(group for group in results.groups if group.name == "lora_r8")
    row = read(results_table(results))["lora_r8"]
    exact, f1 = group.figures["exact"], group.figures["f1"]
    assert row["runs"] == "3 of 3"
    assert row["EM"] == f"{exact.mean:.2f} ± {exact.sd:.2f}"
    assert row["published EM / F1"] == "66.1 / 70.2"
    apart = f"{exact.mean - 66.1:+.2f} / {f1.mean - 70.2:+.2f}"
    assert row["difference"] == apart.replace("-", MINUS)


def test_a_group_without_a_finished_run_stands_with_what_is_published() -> None:
    row = read(results_table(many_kinds()))["lora_r16"]
    assert (row["runs"], row["F1"], row["difference"]) == ("0 of 3", "", "")
    assert row["published EM / F1"] == "\N{EN DASH} / 71.0"


def test_what_nobody_has_is_no_column() -> None:
    names = [column.name for column in results_table(scored_as_v1()).columns]
    assert names == ["group", "method", "runs", "budget", "EM", "F1"]
    assert list(read(results_table(nothing_finished()))["ada"]) == ["group", "method", "runs"]


def test_a_comparison_tells_difference_interval_and_p_of_both_figures() -> None:
    table = comparisons_table(many_kinds().comparisons)
    (row,) = [[cell.text for cell in row] for row in table.rows]
    assert row[:5] == ["ada_r8", "lora_r8", "98,304", "3", "6,078"]
    assert row[5:8] == ["+0.81", "+0.12 to +1.50", "0.021"]
    assert row[8:] == [f"{MINUS}0.40", f"{MINUS}1.31 to +0.52", "<\N{THIN SPACE}0.001"]


def test_costs_are_means_of_what_is_known_and_memory_the_most() -> None:
    rows = [
        make_row("a", "frd", 0, train_s=60.0, features_per_s=10.0, peak_bytes=2**30),
        make_row("a", "frd", 1, train_s=62.0, features_per_s=None, peak_bytes=3 * 2**30),
    ]
    row = read(cost_table(gather(rows).study))["a"]
    assert (row["training"], row["features/s"]) == ("0:01:01", "10.0")
    assert row["memory, GiB"] == "3.00"
    assert cost_table(nothing_finished().study).rows == []


def test_a_run_leads_to_its_folder_and_says_how_far_it_came_and_why_no_further() -> None:
    table = runs_table(many_kinds().study)
    rows = {row[0].text: row for row in table.rows}
    assert len(rows) == len(many_kinds().study.rows)
    failed = read(table)["lora_r16_seed0"]
    assert (failed["state"], failed["reason"]) == ("failed", ODD_REASON)
    assert rows["lora_r16_seed0"][2].state == "failed"
    assert rows["lora_r2_seed1"][0].href == "lora_r2_seed1/"
    assert rows["lora_r16_seed2"][0].href == "", "it waits: there is no folder yet"


@pytest.mark.parametrize(
    ("link", "href"),
    [
        ("a b/#1?%", "a%20b/%231%3F%25/"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29/"),
        (ODD_NAME, "%3Cb%3Esvd%3C/b%3E%20%26%20%248%24%20%22r%27s%22/"),
    ],
)
def test_a_link_is_a_relative_address_whatever_the_folder_is_called(link: str, href: str) -> None:
    study = Study("s", [make_row("a", "frd")], links={"a_seed0": link})
    assert runs_table(study).rows[0][0].href == href


def test_the_data_has_a_row_for_each_part() -> None:
    data = {
        "train": {"label": "kept", "examples": 2500, "was_cached": True},
        "validation": {"label": "held out", "examples": 878, "cut_questions": 0},
    }
    rows = read(data_table(Study("s", [], data=data)))
    assert rows["train"] == {
        "part": "train",
        "label": "kept",
        "examples": "2,500",
        "was cached": "yes",
        "cut questions": "",
    }
    assert rows["validation"]["cut questions"] == "0"
