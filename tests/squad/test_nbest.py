import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.squad.candidates import Candidates
from qarank.squad.examples import Example
from qarank.squad.nbest import NBest

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, -0.0, 1.0, -3.0, 1e-7, 1e22, 5e-324, float(np.float32(0.1)), 2.0**53]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['"quoted" \\ back', "tab\t line\n nul\0", "東京 😀 é", "</script>"]
)


def build(contexts: list[str], entries: list[list[tuple[int, int, float, float]]]) -> NBest:
    """From each example's (start, end, score, probability)."""
    flat = [(index, *entry) for index, rows in enumerate(entries) for entry in rows]
    columns = list(zip(*flat, strict=True)) if flat else [()] * 5
    example, start, end = (np.array(column, dtype=np.int64) for column in columns[:3])
    score, probability = (np.array(column, dtype=np.float64) for column in columns[3:])
    examples = [Example(f"{text}#{i}", "", text, "?") for i, text in enumerate(contexts)]
    return NBest(examples, Candidates(example, start, end, score), probability)


@given(data=st.data(), contexts=st.lists(TEXTS, max_size=4))
def test_the_text_reads_back_as_the_lists(data: st.DataObject, contexts: list[str]) -> None:
    place = st.integers(0, 12)
    entry = st.tuples(place, place, NUMBERS, NUMBERS) | st.tuples(
        st.just(-1), st.just(-1), NUMBERS, NUMBERS
    )
    entries = [data.draw(st.lists(entry, min_size=1, max_size=4)) for _ in contexts]
    found = build(contexts, entries)
    wanted = json.loads(json.dumps(found.to_lists()))
    assert repr(json.loads(found.to_json())) == repr(wanted), "types, signs and order too"


def test_it_is_laid_out_as_json_is() -> None:
    found = build(["ab", "cd"], [[(0, 1, 1.5, 0.75), (-1, -1, 1.0, 0.25)], [(0, 2, -3.0, 1.0)]])
    assert found.to_json().decode() == json.dumps(found.to_lists(), ensure_ascii=False)


def test_no_answer_is_an_empty_text() -> None:
    found = build(["a context"], [[(-1, -1, 0.0, 1.0)]]).to_lists()
    assert found["a context#0"] == [
        {"text": "", "probability": 1.0, "start": -1, "end": -1, "score": 0.0}
    ]


def test_no_examples_are_an_empty_object() -> None:
    assert build([], []).to_json() == b"{}"
    assert build([], []).to_lists() == {}


@pytest.mark.parametrize("number", [0.1, 1 / 3, math.pi * 1e-9, 1.5e300])
def test_no_digit_is_lost(number: float) -> None:
    found = build(["x"], [[(0, 1, number, number)]])
    assert json.loads(found.to_json())["x#0"][0]["score"] == number
