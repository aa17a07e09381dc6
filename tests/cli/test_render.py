import json
from typing import Any

import pytest

from qarank.cli.render import format_metrics, format_value, print_facts, print_json, print_table


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        (1234567, "1,234,567"),
        (71.3549, "71.35"),
        (1234.5, "1,234.50"),
        (0.0, "0.00"),
        (0.00012345, "0.00012"),
        (-5e-4, "-0.0005"),
        ("text", "text"),
    ],
)
def test_values_are_shown_as_people_read_them(value: Any, shown: str) -> None:
    assert format_value(value) == shown


def test_json_is_one_document_with_its_letters_kept(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"answer": "naïve", "f1": 71.35})
    out = capsys.readouterr().out
    assert json.loads(out) == {"answer": "naïve", "f1": 71.35}
    assert "naïve" in out


def test_a_table_holds_every_cell_and_its_note(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("runs", ["name", "f1"], [["a", 1.234], ["b", None]], note="of two")
    out = capsys.readouterr().out
    for word in ("runs", "name", "f1", "1.23", "-", "of two"):
        assert word in out


@pytest.mark.parametrize("text", ["[red]x[/red]", "a [b] c", "[/]"])
def test_brackets_in_names_are_text(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_table(text, ["name", "value"], [[text, 1]])
    print_facts(text, {"name": text})
    assert capsys.readouterr().out.count(text) == 4


def test_figures_come_in_one_order_under_names_people_know() -> None:
    metrics = {"f1": 2.0, "HasAns_total": 3, "exact": 1.0, "NoAns_exact": 4.0}
    assert list(format_metrics(metrics).items()) == [("EM", 1.0), ("F1", 2.0), ("NoAns EM", 4.0)]
    assert format_metrics({"exact_match": 5.0}) == {"EM": 5.0}


def test_a_table_for_a_file_folds_no_cell(capsys: pytest.CaptureFixture[str]) -> None:
    columns = [f"column {number}" for number in range(10)]
    print_table("wide", columns, [[f"a_long_name_{number}" for number in range(10)]])
    out = capsys.readouterr().out
    assert all(f"a_long_name_{number}" in out for number in range(10))
