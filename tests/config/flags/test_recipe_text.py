from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qarank.config.flags.draft import Note
from qarank.config.flags.recipe_text import list_remarks, render_recipe
from qarank.config.flags.translate import Translation, translate_command

LINE = (
    "run_qa.py --model_name_or_path bert-base-uncased --dataset_name squad --do_train --do_eval"
    " --learning_rate 3e-5 --report_to none --run_name x --adafactor"
)


def test_each_key_says_where_it_comes_from() -> None:
    lines = render_recipe(translate_command(LINE)).splitlines()
    assert any(
        line.split() == ["learning_rate:", "3.0e-05", "#", "--learning_rate", "3e-5"]
        for line in lines
    )
    assert any(line.split() == ["seed:", "42", "#", "run_qa's", "default"] for line in lines)


def test_what_is_no_key_stands_below_as_comments() -> None:
    lines = render_recipe(translate_command(LINE)).splitlines()
    below = lines[lines.index("# Cannot be honoured:") :]
    assert all(line.startswith("#") for line in below)
    assert below[1].startswith("#   --adafactor: AdamW")
    assert any(line.startswith("#   --report_to none, --run_name x: every run") for line in below)


def test_flags_with_one_reason_share_a_line() -> None:
    notes = [
        Note("told", "--c 3", "train.c", "third"),
        Note("idle", "--a 1", "", "because"),
        Note("translated", "--x", "x", ""),
        Note("idle", "--b 2", "", "because"),
        Note("told", "", "", "plain"),
    ]
    assert list(list_remarks(notes)) == [
        ("Without effect here:", ["--a 1, --b 2: because"]),
        ("To know:", ["--c 3, train.c: third", "plain"]),
    ]


VALUES = st.one_of(
    st.text(max_size=20),
    st.lists(st.text(max_size=10), max_size=3),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
)


@given(VALUES, VALUES, st.text(max_size=20))
def test_any_value_and_any_comment_load_back(first: Any, second: Any, comment: str) -> None:
    keys = {"name": first, "train.epochs": second, "train.seed": 1}
    notes = (Note("translated", comment, "name", ""), Note("impossible", comment, "", comment))
    translation = Translation(keys, notes)
    assert yaml.safe_load(render_recipe(translation)) == translation.mapping


@pytest.mark.parametrize("value", ["8e-5", "on", "2020-01-01", "~", "a: b", "# x", "'"])
def test_text_that_yaml_would_read_otherwise_stays_text(value: str) -> None:
    text = render_recipe(Translation({"name": value}, ()))
    assert yaml.safe_load(text) == {"name": value}
