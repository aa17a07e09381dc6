import dataclasses

import pytest

from qarank.cli.sweep_table import print_results
from qarank.report.study import Results
from tests.report.studies import STUDIES, gather, make_row, make_unfinished, many_kinds


def printed(results: Results, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_results(results)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def line_with(word: str, lines: list[str]) -> str:
    (line,) = [line for line in lines if word in line]
    return line


def test_each_group_is_a_line_with_its_figures_and_costs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [
        make_row("lora", "frd", seed, exact=exact, trained_parameters=1_990_658, budget=331_776)
        for seed, exact in enumerate((70.65, 71.85, 73.05))
    ]
    line = line_with("71.85", printed(gather(rows), capsys))
    for text in ("lora", "71.85 ± 1.20", "1.991M", "331.8k", "0:25:10", "2.16"):
        assert text in line


def test_published_figures_and_comparisons_stand_below(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(many_kinds(), capsys)
    assert "−0.27 / −0.77" in line_with("66.9 / 71.4", lines)
    assert "+0.12 to +1.50" in line_with("+0.81", lines)


def test_a_comparison_says_at_which_budget_and_what_of_it_is_equal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (compared,) = many_kinds().comparisons
    triplets = dataclasses.replace(
        compared, first="ada_r2", second="lora_r2", budget=288.0, budget_unit="triplets"
    )
    lines = printed(dataclasses.replace(many_kinds(), comparisons=[compared, triplets]), capsys)
    shown = [line for line in lines if "+0.12 to +1.50" in line]
    assert "98.3k" in shown[0] and "triplets" not in shown[0]
    assert "288 triplets" in shown[1]


def test_a_failed_point_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        make_row("lora", "frd"),
        make_unfinished("lora", "frd", "failed", 1, "no memory at [step] 12"),
    ]
    lines = printed(gather(rows), capsys)
    assert "1 of 2" in line_with("0:25:00", lines)
    assert "no memory at [step] 12" in line_with("lora_seed1", lines)


def test_tables_without_a_row_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(printed(STUDIES["sixteen points"], capsys))
    assert "not finished" not in text and "published" not in text and "equal budgets" not in text
    text = "\n".join(printed(STUDIES["nothing finished"], capsys))
    assert "not finished" in text and "EM" not in text


def test_with_short_names_no_line_is_wider_than_100_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [
        make_row("adalora_r156", "svd + adalora", seed, r=156, train_s=40_000.0)
        for seed in range(3)
    ]
    rows += [make_row("lora_r156_01", "frd", 0, r=156)]
    rows += [make_unfinished("adalora_r156", "svd + adalora", "failed", 4, "no memory")]
    results = dataclasses.replace(gather(rows), comparisons=many_kinds().comparisons)
    lines = printed(results, capsys)
    assert max(map(len, lines)) <= 100
    assert any(len(line) > 90 for line in lines)
