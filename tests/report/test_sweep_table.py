import csv
import io

import pytest

from qarank.report.study import Results
from qarank.report.sweep_table import COLUMNS, GROUP_COLUMNS, to_csv, to_group_csv, to_markdown
from tests.report.studies import ODD_REASON, STUDIES, gather, make_row, make_unfinished, many_kinds

FIRST_COLUMNS = (  # of the first sweeps; scripts read them by place
    *("point", "exact", "f1", "HasAns_f1", "NoAns_exact", "trained_parameters"),
    *("final_parameters", "start_budget", "final_ranks", "features_per_s", "train_s"),
)


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def lines_of(results: Results) -> list[list[str]]:
    """The Markdown tables' lines as cells."""
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in to_markdown(results).splitlines()
        if line.startswith("|")
    ]


def test_columns_grow_at_the_end() -> None:
    assert COLUMNS[: len(FIRST_COLUMNS)] == FIRST_COLUMNS
    assert {"group", "method", "seed", "state", "budget", "peak_bytes", "total_s", "reason"} < set(
        COLUMNS
    )
    assert len(set(COLUMNS)) == len(COLUMNS)
    assert len(set(GROUP_COLUMNS)) == len(GROUP_COLUMNS)


@pytest.mark.parametrize("name", STUDIES)
def test_each_run_is_a_line_whose_numbers_lose_no_digit(name: str) -> None:
    results = STUDIES[name]
    lines = read(to_csv(results))
    assert len(lines) == len(results.study.rows)
    for line, row in zip(lines, results.study.rows, strict=True):
        assert tuple(line) == COLUMNS
        assert (line["point"], line["state"]) == (row.point, row.state)
        assert (line["reason"] or None) == row.reason
        assert (float(line["f1"]) if line["f1"] else None) == row.f1
        assert float(line["learning_rate"]) == row.learning_rate


@pytest.mark.parametrize("name", STUDIES)
def test_each_group_is_a_line_with_means_and_sds(name: str) -> None:
    results = STUDIES[name]
    lines = read(to_group_csv(results))
    assert len(lines) == len(results.groups)
    for line, group in zip(lines, results.groups, strict=True):
        assert tuple(line) == GROUP_COLUMNS
        assert float(line["f1"]) == group.figures["f1"].mean
        sd = group.figures["f1"].sd
        assert line["f1_sd"] == ("" if sd is None else str(sd))
        assert line["num_finished"] == str(len(group.seeds))
        assert line["seeds"].split() == [str(seed) for seed in group.seeds]


def test_published_figures_stand_in_the_line_of_their_group() -> None:
    lines = {line["group"]: line for line in read(to_group_csv(many_kinds()))}
    group = {group.name: group for group in many_kinds().groups}["ada_r8"]
    assert (lines["ada_r8"]["published_exact"], lines["ada_r8"]["source"]) == (
        "66.9",
        "a paper, table 2",
    )
    assert float(lines["ada_r8"]["difference_exact"]) == group.figures["exact"].mean - 66.9
    assert lines["lora_r2"]["published_exact"] == lines["lora_r2"]["source"] == ""


def test_markdown_follows_the_recipe_and_a_failed_point_is_a_row_that_says_so() -> None:
    rows = [
        make_unfinished("lora", "frd", "failed", 0, "no memory | at step 12"),
        *(make_row("lora", "frd", seed) for seed in (1, 2)),
        make_row("ada", "svd + adalora", 0),
        make_unfinished("late", "svd", "waiting", 0, None),
    ]
    header, _, *cells = lines_of(gather(rows))
    table = [dict(zip(header, line, strict=False)) for line in cells]
    assert [(line["group"], line["n"]) for line in table] == [
        ("lora", "2 of 3"),
        ("lora_seed0", "failed"),
        ("ada", "1"),
        ("late_seed0", "waiting"),
    ]
    assert r"no memory \| at step 12" in to_markdown(gather(rows))


def test_markdown_shows_figures_though_the_first_group_has_none() -> None:
    rows = [
        make_unfinished("lora", "frd", "failed", 0, "no memory"),
        make_row("ada", "svd + adalora", 0, exact=71.85, f1=75.35),
    ]
    header, _, first, second = lines_of(gather(rows))
    assert header[:5] == ["group", "method", "n", "EM", "F1"] and "note" in header
    assert first[:3] == ["lora_seed0", "frd", "failed"]
    assert second[:5] == ["ada", "svd + adalora", "1", "71.85", "75.35"]


def test_a_long_reason_is_cut_in_markdown_and_whole_for_programs() -> None:
    reason = f"the loss is nan; examples: {', '.join(str(10**20 + each) for each in range(16))}"
    results = gather([make_unfinished("lora", "frd", "failed", 0, reason)])
    assert reason[:100] in to_markdown(results) and reason not in to_markdown(results)
    assert reason in to_csv(results)
    assert results.to_dict()["points"][0]["reason"] == reason


def test_markdown_shows_a_column_of_published_figures_only_where_there_are_some() -> None:
    assert "published" in to_markdown(many_kinds())
    assert "published" not in to_markdown(STUDIES["sixteen points"])


def test_markdown_ends_with_the_comparisons() -> None:
    text = to_markdown(many_kinds())
    row = "| ada_r8 | lora_r8 | EM | +0.81 | +0.12 to +1.50 | 0.021 | 98,304 | 3 | 6,078 |"
    assert row in text.splitlines()
    assert text.startswith("### made_up\n\n| group | method | n |")
    assert text.index(row) > text.index("lora_r16_seed2")


@pytest.mark.parametrize("name", STUDIES)
def test_markdown_holds_no_tag_and_every_point_or_its_group(name: str) -> None:
    results = STUDIES[name]
    text = to_markdown(results)
    assert "<" not in text
    finished = {group.name for group in results.groups}
    for row in results.study.rows:
        shown = row.group if row.group in finished and row.state == "finished" else row.point
        assert shown.replace("<", "&lt;") in text
    if name == "many kinds":
        assert ODD_REASON.replace("<", "&lt;") in text
