"""From the best spans of every feature to one answer for each example.

Spans that two windows of an example share are one candidate with the larger score; the null score
of an example is the smallest over its windows, as in Hugging Face's run_qa. The n-best lists,
which most callers never read, are built when asked for.

Dims: num_features: windows of all examples; num_tokens: tokens of all windows.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from qarank.squad.candidates import (
    Candidates,
    Floats,
    best_candidates,
    join_candidates,
    keep_best,
    merge_candidates,
    no_answers,
    rank_candidates,
    softmax_by_example,
)
from qarank.squad.examples import Example
from qarank.squad.nbest import Candidate, NBest
from qarank.squad.spans import TopSpans


class Windows(Protocol):
    """What is read of a FeatureTable."""

    @property
    def row_offsets(self) -> npt.NDArray[Any]:
        """(num_features + 1,) where each feature's tokens begin in the flat columns."""

    @property
    def offset_starts(self) -> npt.NDArray[Any]:
        """(num_tokens,) first context character of each token; -1 off the context."""

    @property
    def offset_ends(self) -> npt.NDArray[Any]:
        """(num_tokens,) one past its last context character; -1 off the context."""

    @property
    def example_index(self) -> npt.NDArray[Any]:
        """(num_features,) the example each feature is a window of."""

    def __len__(self) -> int:
        """The number of features."""


@dataclass(frozen=True)
class Decoded:
    """The answers of all examples, in their order.

    Attributes:
        predictions: id -> answer text; "" where there is none.
        answers: id -> best span's text whatever the null score; for tuning null_threshold.
        null_odds: id -> null score - best span's score; empty unless "no answer" is allowed.
    """

    predictions: dict[str, str]
    answers: dict[str, str]
    null_odds: dict[str, float]
    _examples: Sequence[Example]
    _make_rows: Callable[[], Candidates]
    _n_best_size: int

    @cached_property
    def nbest(self) -> dict[str, list[Candidate]]:
        """Id -> candidates, best first; their probabilities, a softmax over them, sum to 1."""
        return self._ranked.to_lists()

    @property
    def nbest_json(self) -> bytes:
        """`nbest` as JSON, rendered without making the lists."""
        return self._ranked.to_json()

    @cached_property
    def _ranked(self) -> NBest:
        rows = keep_best(rank_candidates(merge_candidates(self._make_rows())), self._n_best_size)
        return NBest(self._examples, rows, softmax_by_example(rows))


def decode_predictions(
    examples: Sequence[Example],
    table: Windows,
    spans: TopSpans,
    *,
    n_best_size: int,
    null_threshold: float,
    with_null: bool,
) -> Decoded:
    """Choose each example's answer among the spans of its windows.

    An example without a legal span is answered "", as if by a span of score 0.

    Args:
        examples: as the table was built from.
        table: their windows.
        spans: of all features in table order, on the CPU, token positions within the feature
            (without left padding); for exact n-best lists k is n_best_size or more.
        n_best_size: candidates kept, 1 or more; with_null "no answer" is kept besides, if need be.
        null_threshold: the answer is "" where null score - best span's score is above this.
        with_null: whether "no answer" is allowed.
    """
    assert len(spans.score) == len(table), "spans are not of this table"
    best = best_candidates(_possible_winners(table, spans), len(examples))
    answers = {
        example.id: example.context[start:end] if start >= 0 else ""
        for example, start, end in zip(
            examples, best.start.tolist(), best.end.tolist(), strict=True
        )
    }
    odds: dict[str, float] = {}
    nothing = best.take(best.start < 0)
    if with_null:
        null = _null_scores(table, spans, len(examples))
        nothing = no_answers(best.example, null)
        odds = dict(zip(answers, (null - best.score).tolist(), strict=True))
    predictions = {
        key: "" if odds.get(key, -math.inf) > null_threshold else text
        for key, text in answers.items()
    }

    def make_rows() -> Candidates:
        return join_candidates([_to_candidates(table, spans), nothing])

    return Decoded(predictions, answers, odds, examples, make_rows, n_best_size)


def _possible_winners(table: Windows, spans: TopSpans) -> Candidates:
    """The legal spans that score what the best of their example does, or more than those."""
    score = spans.score.numpy()
    top = np.full(int(table.example_index.max(initial=-1)) + 1, -np.inf, dtype=score.dtype)
    np.maximum.at(top, table.example_index, score.max(axis=1, initial=-np.inf))
    is_top = np.isfinite(score) & (score == top[table.example_index][:, None])
    rows = _to_candidates(table, spans, is_top)
    # A best span that is not legal leaves its example to spans that score less.
    return rows if len(rows.example) == is_top.sum() else _to_candidates(table, spans)


def _to_candidates(
    table: Windows, spans: TopSpans, wanted: npt.NDArray[np.bool_] | None = None
) -> Candidates:
    """All legal spans, in characters; one that is only white space is not legal.

    Args:
        table: of their windows.
        spans: of all features.
        wanted: (num_features, k), of finite score; None: all that are.
    """
    score = spans.score.numpy()
    feature, place = np.nonzero(np.isfinite(score) if wanted is None else wanted)
    first_token = table.row_offsets[feature]
    start = table.offset_starts[first_token + spans.start.numpy()[feature, place]]
    end = table.offset_ends[first_token + spans.end.numpy()[feature, place]]
    rows = Candidates(
        example=table.example_index[feature].astype(np.int64),
        start=start.astype(np.int64),
        end=end.astype(np.int64),
        score=score[feature, place].astype(np.float64),
    )
    return rows.take((start >= 0) & (end > start))


def _null_scores(table: Windows, spans: TopSpans, num_examples: int) -> Floats:
    """(num_examples,) the smallest null score over each example's windows; 0 without a window."""
    null = np.full(num_examples, np.inf)
    np.minimum.at(null, table.example_index, spans.null_score.numpy().astype(np.float64))
    return np.where(np.isfinite(null), null, 0.0)
