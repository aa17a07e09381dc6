import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.config.yaml_text import read_yaml
from qarank.errors import RecipeError


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2\na: 3", "f: line 3: the key a stands twice"),
        ("a:\n  b: 1\n  b: 1", "f: line 3: the key b stands twice"),
        ("{a: 1, a: 2}", "f: line 1: the key a stands twice"),
        ("a: 1\n---\nb: 2", "f: line 2: expected a single document in the stream"),
        ("a:\n\tb: 1", "f: line 2: while scanning for the next token, found character"),
        ("[1", "f: line 1: while parsing a flow sequence, expected ',' or ']'"),
        ("? [a]\n: 1", "f: line 1: while constructing a mapping, found unhashable key"),
        ("a: !!python/name:os.system", "f: line 1: could not determine a constructor"),
        ("a: \x00", "f: not YAML: unacceptable character"),
        ("a: 2024-13-45", "f: not YAML: month must be in 1..12"),
        ("[" * 5000, "f: not YAML: nested too deep"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text: str, line: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_yaml(text, where="f")
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_merged_mapping_may_be_overridden() -> None:
    text = "base: &base {a: 1, b: 2}\nmine: {<<: *base, a: 3}"
    assert read_yaml(text, where="f")["mine"] == {"a": 3, "b": 2}


@given(text=st.text(alphabet="ab:-{}[]&*!?|>'\"# \n\t0.~<,", max_size=30))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        read_yaml(text, where="f")
    except RecipeError as error:
        assert "\n" not in str(error)
