"""Each token's characters as the tokenizer counts them, white space included.

Features keep trimmed offsets, so that no answer begins with a space. run_qa's answers do, with
tokenizers that count the space before a word as part of it; who wants the same wants these.

Dims: num_features; num_tokens: over all features.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable
from qarank.squad.ragged import ragged_indices, row_offsets_of
from qarank.squad.tokenized_texts import TEXTS_PER_CALL, copy_backend, number_distinct

Offsets = NDArray[np.int32]


def read_raw_offsets(
    examples: Sequence[Example],
    table: FeatureTable,
    tokenizer: PreTrainedTokenizerBase,
    *,
    doc_stride: int,
) -> Offsets:
    """First character, and one past the last, of each context token.

    Args:
        examples: as the table was built from.
        table: their features.
        tokenizer: it was built with; left as it is.
        doc_stride: it was built with.

    Returns:
        (num_tokens, 2) code points into the context; -1 where the token is not context.
    """
    contexts, context_of = number_distinct(example.context for example in examples)
    lengths, flat = _tokenize(contexts, tokenizer)
    is_context = table.offset_starts >= 0  # (num_tokens,)
    windows = np.add.reduceat(is_context, table.row_offsets[:-1], dtype=np.int64)
    first = row_offsets_of(lengths)[context_of[table.example_index]]
    offsets = np.full((len(is_context), 2), -1, dtype=np.int32)
    here = ragged_indices(first + _window_starts(table, windows, doc_stride), windows)
    offsets[is_context] = flat[here]
    return offsets


def _window_starts(
    table: FeatureTable, windows: NDArray[np.int64], doc_stride: int
) -> NDArray[np.int64]:
    """(num_features,) the first context token of each window; all but the last are of a length."""
    example = table.example_index
    first = np.searchsorted(example, example)  # (num_features,) each example's first window
    step = windows[first] - doc_stride
    return np.asarray((np.arange(len(example)) - first) * step, dtype=np.int64)


def _tokenize(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> tuple[NDArray[np.int64], Offsets]:
    """Tokens of each text, and (tokens of all texts, 2) offsets."""
    backend = copy_backend(tokenizer)
    lengths, parts = [], []
    for begin in range(0, len(texts), TEXTS_PER_CALL):
        some = list(texts[begin : begin + TEXTS_PER_CALL])
        rows = [found.offsets for found in backend.encode_batch(some, add_special_tokens=False)]
        lengths += [len(row) for row in rows]
        numbers = chain.from_iterable(chain.from_iterable(rows))
        parts.append(np.fromiter(numbers, np.int32, 2 * sum(map(len, rows))).reshape(-1, 2))
    return np.array(lengths, dtype=np.int64), np.concatenate(parts)
