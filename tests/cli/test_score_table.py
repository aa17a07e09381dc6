import pytest

from qarank.cli.render import format_metrics
from qarank.cli.score_table import format_interval, print_against, print_scores

METRICS = {"exact": 70.0, "f1": 75.5, "total": 9, "ci95": {"exact": [60.0, 80.0], "f1": [65, 85]}}


def test_each_figure_stands_with_its_interval(capsys: pytest.CaptureFixture[str]) -> None:
    print_scores("P on D", METRICS, {"files": "here"}, name=format_metrics)
    lines = capsys.readouterr().out.splitlines()
    assert any("EM" in line and "60.00 .. 80.00" in line for line in lines)
    assert any("files" in line and "here" in line for line in lines)
    assert not any("total" in line for line in lines)


def test_without_intervals_there_is_no_column(capsys: pytest.CaptureFixture[str]) -> None:
    print_scores("P on D", {"exact": 70.0}, {})
    assert "interval" not in capsys.readouterr().out


def test_a_comparison_tells_the_difference_and_its_p(capsys: pytest.CaptureFixture[str]) -> None:
    figure = {"value": 80.0, "against": 70.0, "difference": 10.0, "ci95": [5, 15], "p_value": 1e-4}
    print_against({"path": "b.json", "questions": 6078, "exact": figure})
    out = capsys.readouterr().out
    for word in ("against b.json", "10.00", "5.00 .. 15.00", "0.0001", "6,078 questions"):
        assert word in out


def test_an_interval_reads_low_to_high() -> None:
    assert format_interval([-1.234, 1000.0]) == "-1.23 .. 1,000.00"
