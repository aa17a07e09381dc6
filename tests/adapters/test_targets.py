import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.adapters.targets import WORDS, resolve_targets
from qarank.errors import AdapterError

ENDINGS = [
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
]
BERT = [f"bert.encoder.layer.{n}.{ending}" for n in range(2) for ending in ENDINGS]


@given(words=st.lists(st.sampled_from([*WORDS, "dense", "output.dense"]), min_size=1))
def test_paths_come_in_the_models_order_and_once_whatever_the_order_of_the_words(
    words: list[str],
) -> None:
    found = resolve_targets(BERT, words, model_type="bert")
    assert found == [path for path in BERT if path in found]
    assert found == resolve_targets(BERT, words[::-1], model_type="bert")


@pytest.mark.parametrize(
    ("suffix", "num_matches"),
    [("dense", 6), ("output.dense", 4), ("attention.output.dense", 2), (BERT[0], 1)],
)
def test_a_suffix_matches_whole_names_at_the_end_of_a_path(suffix: str, num_matches: int) -> None:
    found = resolve_targets(BERT, [suffix], model_type="bert")
    assert found == [path for path in BERT if path == suffix or path.endswith(f".{suffix}")]
    assert len(found) == num_matches


@pytest.mark.parametrize("entry", ["ense", "uery", "self", "self-query", "self.", "", "s.lf.query"])
def test_part_of_a_name_is_no_suffix_and_a_list_holds_no_expressions(entry: str) -> None:
    with pytest.raises(AdapterError, match=f"^adapter.target_modules: {re.escape(repr(entry))} "):
        resolve_targets(BERT, [entry], model_type="bert")


def test_an_unknown_architecture_takes_suffixes() -> None:
    paths = ["body.0.query", "body.0.mix", "body.1.query", "body.1.mix"]
    found = resolve_targets(paths, ["query"], model_type="novel")
    assert found == ["body.0.query", "body.1.query"]


def test_one_text_is_a_regular_expression_for_the_whole_path() -> None:
    found = resolve_targets(BERT, r".*layer\.1\..*(query|value)", model_type="bert")
    assert found == [f"bert.encoder.layer.1.attention.self.{word}" for word in ("query", "value")]
    with pytest.raises(AdapterError, match="'query' matches no linear"):
        resolve_targets(BERT, "query", model_type="bert")


def test_a_broken_expression_is_told_as_such() -> None:
    with pytest.raises(AdapterError, match=r"target_modules is '\(', no regular expression: .+"):
        resolve_targets(BERT, "(", model_type="bert")


def test_no_match_lists_what_could_have_matched_each_once() -> None:
    with pytest.raises(AdapterError) as caught:
        resolve_targets(BERT, ["query", "nope"], model_type="bert")
    assert str(caught.value) == (
        "adapter.target_modules: 'nope' matches no linear of this bert model; "
        "words: query, key, value, intermediate, layer.output, attention.output; "
        "linears: attention.self.query, attention.self.key, attention.self.value, "
        "attention.output.dense, intermediate.dense, output.dense"
    )


def test_an_unknown_architecture_without_linears_says_so() -> None:
    with pytest.raises(AdapterError, match="words: none; linears: none$"):
        resolve_targets([], ["query"], model_type="novel")
