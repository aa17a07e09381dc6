from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from qarank.squad.audit_lengths import find_labelled, measure_lengths, spread_of
from qarank.squad.examples import Example
from qarank.squad.features import build_features
from qarank.squad.sample import almanac

MakeTokenizer = Callable[[str], PreTrainedTokenizerBase]


def lengths_by_hand(
    examples: list[Example], tokenizer: PreTrainedTokenizerBase
) -> tuple[list[int], list[int]]:
    """Tokens of each question, and of each distinct context, one text at a time."""
    contexts = dict.fromkeys(example.context for example in examples)

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    return [count(example.question) for example in examples], [count(text) for text in contexts]


@pytest.mark.parametrize("family", ["bert", "roberta", "xlnet", "deberta"])
@pytest.mark.parametrize("max_seq_length", [64, 384])
def test_lengths_are_the_tokenizers_own_however_many_windows(
    make_tokenizer: MakeTokenizer, family: str, max_seq_length: int
) -> None:
    tokenizer, examples = make_tokenizer(family), almanac("validation")[:60]
    table = build_features(examples, tokenizer, max_seq_length=max_seq_length, doc_stride=16)
    special = tokenizer.num_special_tokens_to_add(pair=True)
    found = measure_lengths(examples, table, num_special=special, doc_stride=16)
    questions, contexts = lengths_by_hand(examples, tokenizer)
    assert found.questions == spread_of(np.array(questions))
    assert found.contexts == spread_of(np.array(contexts))
    windows = np.bincount(table.example_index)
    windowed = {each.context for each, number in zip(examples, windows, strict=True) if number > 1}
    assert found.windowed_share == len(windowed) / len(contexts)
    assert (found.windowed_share > 0) == (max_seq_length == 64)


def test_answers_are_counted_once_whatever_windows_hold_them(make_tokenizer: MakeTokenizer) -> None:
    tokenizer, examples = make_tokenizer("bert"), almanac("validation")[:60]
    table = build_features(examples, tokenizer, max_seq_length=64, doc_stride=24)
    labelled = find_labelled(table)
    owners = table.example_index[labelled].tolist()
    assert owners == sorted(set(owners))
    assert set(owners) == {place for place, each in enumerate(examples) if each.answers}
    assert (table.start_positions != table.cls_position).sum() > len(labelled)
    found = measure_lengths(examples, table, num_special=3, doc_stride=24)
    assert found.answers.number == len(labelled)


@given(st.lists(st.integers(0, 9), min_size=1))
def test_a_spread_is_of_values_that_are_there(values: list[int]) -> None:
    spread = spread_of(np.array(values))
    assert spread.number == len(values)
    assert (spread.least, spread.most) == (min(values), max(values))
    assert {spread.median, spread.p95} <= set(values)
    for share, value in ((0.5, spread.median), (0.95, spread.p95)):
        assert sum(each <= value for each in values) >= share * len(values)
        assert sum(each < value for each in values) <= share * len(values)


def test_no_values_have_a_spread_of_zeros() -> None:
    assert spread_of(np.array([], dtype=np.int64)).number == 0
