"""Answer candidates of many examples as flat columns: merged, ranked, cut and weighed.

Dims: rows: candidates; ranked rows stand best first within an example, examples in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Candidates:
    """One row a candidate.

    Attributes:
        example: (rows,) the example it answers, 0..number of examples - 1.
        start: (rows,) its first context character; -1 is "no answer".
        end: (rows,) one past its last context character; -1 is "no answer".
        score: (rows,) higher is better.
    """

    example: Ints
    start: Ints
    end: Ints
    score: Floats

    def take(self, index: Ints | Bools) -> "Candidates":
        """The rows at index, (n,) positions or (rows,) bool."""
        return Candidates(
            self.example[index], self.start[index], self.end[index], self.score[index]
        )


def join_candidates(parts: Sequence[Candidates]) -> Candidates:
    """The rows of all parts, one part after the other."""
    return Candidates(
        example=np.concatenate([part.example for part in parts]),
        start=np.concatenate([part.start for part in parts]),
        end=np.concatenate([part.end for part in parts]),
        score=np.concatenate([part.score for part in parts]),
    )


def no_answers(example: Ints, score: Floats) -> Candidates:
    """A "no answer" for each of these examples; both arguments are (rows,)."""
    nowhere = np.full(len(example), -1, dtype=np.int64)
    return Candidates(example=example.astype(np.int64), start=nowhere, end=nowhere, score=score)


def rank_candidates(rows: Candidates) -> Candidates:
    """Ranked by score; on ties a span before "no answer", then lower start, then lower end."""
    return rows.take(np.lexsort((_place(rows), -rows.score, rows.example)))


def merge_candidates(rows: Candidates) -> Candidates:
    """Each (example, start, end) once, with its largest score."""
    rows = rows.take(np.lexsort((-rows.score, _place(rows), rows.example)))
    place = _place(rows)
    is_new = np.ones(len(rows.example), dtype=np.bool_)
    is_new[1:] = (rows.example[1:] != rows.example[:-1]) | (place[1:] != place[:-1])
    return rows.take(is_new)


def best_candidates(rows: Candidates, num_examples: int) -> Candidates:
    """The first of each example as ranking would have it, without the sort; ordered by example.

    An example without a row gets the "no answer" of score 0.
    """
    top = np.full(num_examples, -np.inf)
    np.maximum.at(top, rows.example, rows.score)
    tied = rank_candidates(rows.take(rows.score == top[rows.example]))
    found, first = np.unique(tied.example, return_index=True)
    nothing = no_answers(np.arange(num_examples), np.zeros(num_examples))
    index = np.arange(num_examples) + len(tied.example)  # into nothing, unless
    index[found] = first
    return join_candidates([tied, nothing]).take(index)


def keep_best(ranked: Candidates, n_best_size: int) -> Candidates:
    """The first n_best_size of each example, and "no answer" wherever it stands."""
    place = np.arange(len(ranked.example)) - _first_of_example(ranked)
    return ranked.take((place < n_best_size) | (ranked.start < 0))


def softmax_by_example(ranked: Candidates) -> Floats:
    """(rows,) probabilities that sum to 1 within each example."""
    largest = ranked.score[_first_of_example(ranked)]
    weight = np.exp(ranked.score - largest)
    total = np.bincount(ranked.example, weights=weight)
    return np.asarray(weight / total[ranked.example], dtype=np.float64)


def _place(rows: Candidates) -> Ints:
    """(rows,) start and end in one number, "no answer" the largest."""
    return np.where(rows.start < 0, np.iinfo(np.int64).max, (rows.start << 32) + rows.end)


def _first_of_example(ranked: Candidates) -> Ints:
    """(rows,) the position of the first row of the same example."""
    _, first, group = np.unique(ranked.example, return_index=True, return_inverse=True)
    return np.asarray(first[group], dtype=np.int64)
