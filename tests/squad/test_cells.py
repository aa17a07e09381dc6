from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.squad.cells import read_cells, read_literal

ANSWERS = {"text": ["New York", "York's"], "answer_start": [3, 7]}


@pytest.mark.parametrize(
    "cell",
    [
        """{"text": ["New York", "York's"], "answer_start": [3, 7]}""",
        """{'text': ['New York', "York's"], 'answer_start': [3, 7]}""",
        """{'text': array(['New York', "York's"], dtype=object),
            'answer_start': array([3, 7], dtype=int32)}""",
    ],
)
def test_answers_are_read_as_datasets_and_pandas_write_them(cell: str) -> None:
    assert read_cells({"answers": cell}) == {"answers": ANSWERS}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    ).filter(lambda value: not isinstance(value, str))
)
def test_whatever_python_writes_is_read_back(value: Any) -> None:
    assert read_literal(repr(value)) == value


@pytest.mark.parametrize("cell", ["Ulm", "array()", "array(x)", "f(1)", "[1,", "(" * 5000, "1 + a"])
def test_what_is_no_notation_stays_text(cell: str) -> None:
    assert read_literal(cell) == cell


@pytest.mark.parametrize("cell", ["", " ", "nan", "None", "null"])
def test_a_missing_cell_is_none_or_left_out(cell: str) -> None:
    row = {"answers": cell, "answer_start": cell, "is_impossible": cell}
    assert read_cells(row) == {"answers": None, "answer_start": None}


@pytest.mark.parametrize(
    ("cell", "flag"), [("True", True), ("1", True), ("false", False), (" no ", False), ("?", "?")]
)
def test_a_flag_is_a_word_or_a_digit(cell: str, flag: object) -> None:
    assert read_cells({"is_impossible": cell}) == {"is_impossible": flag}


@pytest.mark.parametrize(
    ("cell", "start"), [("12", 12), ("12.0", 12), ("-1", -1), ("1.5", 1.5), ("x", "x")]
)
def test_a_start_is_a_whole_number(cell: str, start: object) -> None:
    row = {"answer_text": "[a]", "answer_start": cell}
    assert read_cells(row) == {"answer_text": "[a]", "answer_start": start}


def test_where_starts_are_a_list_so_are_texts() -> None:
    row = {"answer_text": "['a', 'b']", "answer_start": "[1, 2]"}
    assert read_cells(row) == {"answer_text": ["a", "b"], "answer_start": [1, 2]}


def test_other_cells_stay_text() -> None:
    row = {"id": "7", "question": "null", "context": "[1]", "title": ""}
    assert read_cells(row) == row


WORDS = st.lists(st.text(max_size=9), min_size=1, max_size=6)


@given(WORDS | st.lists(st.integers(-9, 10**6), min_size=1, max_size=40))
def test_numpys_arrays_as_text_are_lists(values: list[Any]) -> None:
    assert read_literal(str(np.array(values, dtype=object))) == values
    if all(isinstance(value, int) for value in values):
        assert read_literal(str(np.array(values))) == values


def test_flattened_answers_are_read_as_datasets_writes_them() -> None:
    row = {"answer_text": "['a' \"b's\"\n 'c d']", "answer_start": "[0 0 12]"}
    assert read_cells(row) == {"answer_text": ["a", "b's", "c d"], "answer_start": [0, 0, 12]}


@pytest.mark.parametrize(
    "cell",
    [
        "['a' 'b', 'c']",
        "['a''b']",
        "['a' r'b', 1]",
        "{'text': ['a' 'b'], 'answer_start': [0]}",
        "'a' 'b'",
        "['a', 'b'\n 'c']",
        "[0 1 ... 8 9]",
        "['a' 3x]",
    ],
)
def test_texts_side_by_side_are_never_joined(cell: str) -> None:
    assert read_literal(cell) == cell
