import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from qarank.artifacts.tables import to_csv

# A lone carriage return is a line end to csv's reader, and "" cannot be told from None.
CELLS = st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]), min_size=1)


@given(st.lists(st.fixed_dictionaries({"name": CELLS, "value": CELLS}), max_size=5))
def test_rows_read_back_whatever_stands_in_a_cell(rows: list[dict[str, str]]) -> None:
    text = to_csv(["name", "value"], rows)
    assert list(csv.DictReader(io.StringIO(text, newline=""))) == rows


def test_a_table_by_hand() -> None:
    rows = [{"seed": 1, "f1": 80.5, "hidden": "x"}, {"f1": None, "seed": 2}, {"seed": 3}]
    assert to_csv(["seed", "f1"], rows) == "seed,f1\n1,80.5\n2,\n3,\n"


def test_no_rows_leave_the_header() -> None:
    assert to_csv(["a", "b"], []) == "a,b\n"
