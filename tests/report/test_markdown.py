import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qarank.report.markdown import escape, render_table

CELLS = st.text(min_size=1, max_size=12).filter(lambda text: text.strip() != "")


def read_cells(line: str) -> list[str]:
    """A line of a table as GitHub's dialect reads it: an escaped pipe ends no cell."""
    inner = line.removeprefix("| ").removesuffix(" |")
    cells = re.split(r" \| ", inner)
    assert not any(re.search(r"(?<!\\)(\\\\)*\|", cell) for cell in cells)
    return cells


def test_a_table_is_a_header_a_rule_and_a_line_a_row() -> None:
    rows = [{"name": "lora", "F1": "71.85"}, {"name": "ada", "F1": "72.00"}]
    assert render_table(["name", "F1"], rows, left={"name"}).splitlines() == [
        "| name | F1 |",
        "| --- | ---: |",
        "| lora | 71.85 |",
        "| ada | 72.00 |",
    ]


def test_a_column_without_a_text_is_left_out_and_a_missing_one_is_blank() -> None:
    rows = [{"a": "1", "b": ""}, {"a": "2", "c": "3"}]
    assert render_table("abc", rows, left=()).splitlines() == [
        *("| a | c |", "| ---: | ---: |", "| 1 |  |", "| 2 | 3 |"),
    ]


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=4))
@settings(deadline=None)
def test_whatever_the_texts_are_every_line_has_as_many_cells(
    texts: list[tuple[str, str, str]],
) -> None:
    rows = [dict(zip("abc", cells, strict=True)) for cells in texts]
    lines = render_table("abc", rows, left="a").split("\n")
    assert len(lines) == len(rows) + 2
    assert {len(read_cells(line)) for line in lines} == {3}


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        (r"a\|b", r"a\\\|b"),
        ("two\nlines\tof it", "two lines of it"),
        ("<script>x</script>", "&lt;script>x&lt;/script>"),
        ("lora_r8, 71.85 ± 1.20", "lora_r8, 71.85 ± 1.20"),
    ],
)
def test_nothing_in_a_text_ends_a_cell_or_starts_a_tag(text: str, escaped: str) -> None:
    assert escape(text) == escaped
