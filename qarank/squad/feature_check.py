"""Are our features the tokenizer's own? Asked of a few examples on every build.

Texts are tokenised apart and joined by arithmetic, which is right as long as a tokenizer treats
the two texts of a pair alone. Every known family does; one that does not must not pass unseen.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from qarank.errors import ModelError
from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable

NUM_CHECKED = 32

Row = tuple[list[int], list[int] | None]  # a window's ids, and its token types if it has them


def check_against_tokenizer(
    table: FeatureTable,
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_seq_length: int,
    doc_stride: int,
) -> None:
    """Compare the features of up to 32 examples, spread evenly, with the tokenizer's own pairs.

    Args:
        table: their features.
        examples: in its order.
        tokenizer: a copy: it is left with a truncation.
        max_seq_length: the table's.
        doc_stride: the table's.

    Raises:
        ModelError: one differs; the line names its example.
    """
    places = _pick_examples(len(examples), table.cut_questions)
    if not len(places):
        return
    encoded = encode_pairs(
        [examples[place] for place in places],
        tokenizer,
        max_seq_length=max_seq_length,
        doc_stride=doc_stride,
        with_types=table.token_type_ids is not None,
    )
    for number, place in enumerate(places):
        theirs = [row for row, of in zip(*encoded, strict=True) if of == number]
        if _without_later_types(theirs) != _without_later_types(_features_of(table, int(place))):
            raise ModelError(
                f"{type(tokenizer).__name__} encodes example {examples[place].id} otherwise as a"
                " pair than as two texts; qarank cannot build features with it"
            )


def encode_pairs(
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_seq_length: int,
    doc_stride: int,
    with_types: bool,
) -> tuple[list[Row], list[int]]:
    """What run_qa does: each window's ids and token types, and the number of its example.

    The tokenizer is left with a truncation.
    """
    tokenizer.truncation_side = "right"
    questions = [example.question.lstrip() for example in examples]
    contexts = [example.context for example in examples]
    context_first = tokenizer.padding_side == "left"
    encoded = tokenizer(
        *((contexts, questions) if context_first else (questions, contexts)),
        truncation="only_first" if context_first else "only_second",
        max_length=max_seq_length,
        stride=doc_stride,
        padding=False,
        return_overflowing_tokens=True,
        return_token_type_ids=with_types,
        verbose=False,
    )
    types = encoded["token_type_ids"] if with_types else [None] * len(encoded["input_ids"])
    rows = list(zip(encoded["input_ids"], types, strict=True))
    return rows, list(encoded["overflow_to_sample_mapping"])


def _pick_examples(num_examples: int, cut_questions: NDArray[np.int32]) -> NDArray[np.int64]:
    """Up to NUM_CHECKED examples whose question is whole, spread evenly."""
    whole = np.setdiff1d(np.arange(num_examples), cut_questions)
    spread = np.linspace(0, len(whole) - 1, min(NUM_CHECKED, len(whole)))
    return whole[np.unique(spread.astype(np.int64))]


def _features_of(table: FeatureTable, place: int) -> list[Row]:
    first, end = np.searchsorted(table.example_index, [place, place + 1])
    rows: list[Row] = []
    for feature in range(first, end):
        tokens = slice(table.row_offsets[feature], table.row_offsets[feature + 1])
        types = table.token_type_ids
        rows.append(
            (table.input_ids[tokens].tolist(), None if types is None else types[tokens].tolist())
        )
    return rows


def _without_later_types(rows: list[Row]) -> list[Row]:
    """The windows of an example, with token types for the first of them alone.

    To the texts of later windows tokenizers gives types 0 and 1, whatever the template says.
    """
    return rows[:1] + [(ids, None) for ids, _ in rows[1:]]
