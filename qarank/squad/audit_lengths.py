"""Lengths of questions, contexts and answers in tokens, read off a feature table.

Dims: num_examples; num_features; num_tokens: over all features.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable
from qarank.squad.tokenized_texts import number_distinct

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Spread:
    """The distribution of some lengths; all 0 where there are none."""

    number: int
    least: int
    median: int
    p95: int
    most: int


@dataclass(frozen=True)
class Lengths:
    """Lengths in tokens, special ones aside.

    Attributes:
        questions: of every example, as they stand in the features: cut where too long.
        contexts: of every distinct context.
        answers: of first gold answers that a window holds.
        windowed_share: share of the distinct contexts that take more than one window, 0..1.
    """

    questions: Spread
    contexts: Spread
    answers: Spread
    windowed_share: float

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def measure_lengths(
    examples: Sequence[Example], table: FeatureTable, *, num_special: int, doc_stride: int
) -> Lengths:
    """How long the texts of a part are.

    Args:
        examples: (num_examples,) the table was built of.
        table: their features.
        num_special: special tokens of a feature.
        doc_stride: tokens two neighbouring windows of an example share.
    """
    windows = np.bincount(table.example_index, minlength=len(examples))  # (num_examples,)
    in_window = count_context_tokens(table)  # (num_features,)
    contexts = np.zeros(len(examples), dtype=np.int64)
    np.add.at(contexts, table.example_index, in_window)
    contexts -= (windows - 1) * doc_stride  # counted twice
    first = np.searchsorted(table.example_index, np.arange(len(examples)))
    questions = table.lengths[first] - in_window[first] - num_special
    labelled = find_labelled(table)
    answers = table.end_positions[labelled] - table.start_positions[labelled] + 1
    _, context_of = number_distinct(example.context for example in examples)
    _, one_of_each = np.unique(context_of, return_index=True)
    # One question may be so long that its context takes a window more: the longest counts.
    most_windows = np.zeros(len(one_of_each), dtype=np.int64)
    np.maximum.at(most_windows, context_of, windows)
    return Lengths(
        questions=spread_of(questions),
        contexts=spread_of(contexts[one_of_each]),
        answers=spread_of(answers),
        windowed_share=float((most_windows > 1).mean()),
    )


def count_context_tokens(table: FeatureTable) -> Ints:
    """(num_features,) tokens of each window that are its context's."""
    is_context = table.offset_starts >= 0  # (num_tokens,)
    return np.add.reduceat(is_context, table.row_offsets[:-1], dtype=np.int64)


def find_labelled(table: FeatureTable) -> Ints:
    """(num_labelled,) the first window of each example that holds its first gold answer."""
    holds = np.flatnonzero(
        (table.start_positions != table.cls_position) | (table.end_positions != table.cls_position)
    )
    _, first = np.unique(table.example_index[holds], return_index=True)
    return holds[first]


def spread_of(values: NDArray[np.int64] | NDArray[np.int32]) -> Spread:
    """Whole numbers that occur among the values: no mean of two."""
    if not len(values):
        return Spread(0, 0, 0, 0, 0)
    quantiles = np.quantile(values, [0.0, 0.5, 0.95, 1.0], method="inverted_cdf")
    least, median, p95, most = (int(value) for value in quantiles)
    return Spread(len(values), least, median, p95, most)
