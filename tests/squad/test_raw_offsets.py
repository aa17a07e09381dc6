from collections.abc import Callable

import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase

from qarank.squad.examples import Example
from qarank.squad.features import build_features
from qarank.squad.raw_offsets import read_raw_offsets
from qarank.squad.sample import almanac

STRANGE = Example("odd", "", "  Zoë  naïve façade 中文字 12€ \n £3.50 😀 (x)  " * 9, "  Who ate?")
EXAMPLES = [*almanac("validation")[:12], STRANGE, *almanac("validation")[12:15]]
LENGTHS = {"max_length": 64, "stride": 16}


def tokenizers_own_offsets(
    tokenizer: PreTrainedTokenizerBase,
) -> list[list[tuple[int, int]]]:
    """Each window's offsets from the tokenizer's own pairs; (-1, -1) off the context."""
    context_first = tokenizer.padding_side == "left"
    questions = [example.question.lstrip() for example in EXAMPLES]
    contexts = [example.context for example in EXAMPLES]
    encoded = tokenizer(
        *((contexts, questions) if context_first else (questions, contexts)),
        truncation="only_first" if context_first else "only_second",
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        **LENGTHS,
    )
    context = 0 if context_first else 1
    return [
        [
            tuple(pair) if kind == context else (-1, -1)
            for pair, kind in zip(pairs, encoded.sequence_ids(row), strict=True)
        ]
        for row, pairs in enumerate(encoded["offset_mapping"])
    ]


def test_they_are_the_tokenizers_own(tokenizer: PreTrainedTokenizerBase) -> None:
    sizes = {"max_seq_length": LENGTHS["max_length"], "doc_stride": LENGTHS["stride"]}
    table = build_features(EXAMPLES, tokenizer, **sizes)
    found = read_raw_offsets(EXAMPLES, table, tokenizer, doc_stride=LENGTHS["stride"])
    rows = np.split(found, table.row_offsets[1:-1])
    assert len(rows) > len(EXAMPLES)
    assert [list(map(tuple, row.tolist())) for row in rows] == tokenizers_own_offsets(tokenizer)


@pytest.mark.parametrize("family", ["deberta", "roberta_with_space"])
def test_some_begin_with_a_space_that_features_leave_out(
    family: str, make_tokenizer: Callable[[str], PreTrainedTokenizerBase]
) -> None:
    """Guards the test above: without such a family trimmed offsets would do."""
    tokenizer = make_tokenizer(family)
    table = build_features(EXAMPLES, tokenizer, max_seq_length=64, doc_stride=16)
    found = read_raw_offsets(EXAMPLES, table, tokenizer, doc_stride=16)
    assert (found[:, 0] < table.offset_starts).any()
