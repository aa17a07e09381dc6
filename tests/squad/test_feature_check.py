import copy
from dataclasses import replace

import numpy as np
import pytest
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase

from qarank.errors import ModelError
from qarank.squad.feature_check import check_against_tokenizer, encode_pairs
from qarank.squad.features import build_features
from qarank.squad.sample import almanac

LENGTHS = {"max_seq_length": 48, "doc_stride": 16}


def test_features_that_differ_from_the_tokenizers_own_stop_with_the_example(
    bert: PreTrainedTokenizerBase,
) -> None:
    examples = almanac("validation")[:10]
    table = build_features(examples, bert, **LENGTHS)
    check_against_tokenizer(table, examples, copy.deepcopy(bert), **LENGTHS)
    other_ids = table.input_ids.copy()
    other_ids[table.row_offsets[np.searchsorted(table.example_index, 4)]] += 1
    message = f"encodes example {examples[4].id} otherwise as a pair than as two texts"
    with pytest.raises(ModelError, match=message):
        check_against_tokenizer(
            replace(table, input_ids=other_ids), examples, copy.deepcopy(bert), **LENGTHS
        )


def test_a_difference_in_token_types_counts_too(bert: PreTrainedTokenizerBase) -> None:
    examples = almanac("validation")[:3]
    table = build_features(examples, bert, **LENGTHS)
    assert table.token_type_ids is not None
    with pytest.raises(ModelError, match=examples[0].id):
        check_against_tokenizer(
            replace(table, token_type_ids=1 - table.token_type_ids),
            examples,
            copy.deepcopy(bert),
            **LENGTHS,
        )


def test_types_of_later_windows_are_the_templates_too(bert: PreTrainedTokenizerBase) -> None:
    """To their texts tokenizers gives 0 and 1; that is not held against our features."""
    flat = copy.deepcopy(bert)
    specials = [(token, flat.convert_tokens_to_ids(token)) for token in ("[CLS]", "[SEP]")]
    flat.backend_tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A:0 [SEP] $B:0 [SEP]", special_tokens=specials
    )
    examples = almanac("validation")[:3]
    rows, numbers = encode_pairs(examples, flat, **LENGTHS, with_types=True)
    kinds = {number: [] for number in numbers}
    for (_, types), number in zip(rows, numbers, strict=True):
        kinds[number].append(sorted(set(types)))
    assert kinds[0][:2] == [[0], [0, 1]]
    table = build_features(examples, flat, **LENGTHS)
    assert not table.token_type_ids.any()


def test_examples_with_a_cut_question_are_left_out(bert: PreTrainedTokenizerBase) -> None:
    examples = [replace(almanac("validation")[0], question="who " * 100)]
    table = build_features(examples, bert, **LENGTHS)
    assert table.cut_questions.tolist() == [0]


def test_pairs_are_encoded_with_the_number_of_their_example(bert: PreTrainedTokenizerBase) -> None:
    rows, numbers = encode_pairs(
        almanac("validation")[:2], copy.deepcopy(bert), **LENGTHS, with_types=False
    )
    assert set(numbers) == {0, 1}
    assert all(len(ids) <= 48 and types is None for ids, types in rows)
