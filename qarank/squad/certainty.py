"""What chance leaves of EM and F1: intervals of one system's figures, and two systems compared.

Questions are resampled, `resampling` says how. Interval ends and differences are per cent, as the
figures are; every interval is a 95 % one, [low, high].
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from qarank.errors import DataError
from qarank.squad.metric import Gold, Score
from qarank.squad.resampling import Floats, bootstrap_intervals, compare_paired

SEED = 0  # the same file gives the same interval wherever it is scored

Scores = Mapping[str, Score]


def figure_intervals(
    scores: Scores, gold: Gold, *, is_v2: bool, resamples: int
) -> dict[str, list[float]]:
    """The interval of each official figure, under the figure's own key.

    Those of HasAns_* and NoAns_* draw among the questions of their kind only.

    Args:
        scores: of each question, as the metric's question_scores_* give them.
        gold: the questions' gold answers.
        is_v2: whether the keys are v2.0's; v1.1's are exact_match and f1.
        resamples: data sets drawn, 1 or more.
    """
    if not is_v2:
        return _of_group(list(scores.values()), ("exact_match", "f1"), resamples)
    has_answer = [score for key, score in scores.items() if gold[key]]
    no_answer = [score for key, score in scores.items() if not gold[key]]
    groups = {"": list(scores.values()), "HasAns_": has_answer, "NoAns_": no_answer}
    return {
        key: interval
        for prefix, rows in groups.items()
        if rows
        for key, interval in _of_group(rows, (f"{prefix}exact", f"{prefix}f1"), resamples).items()
    }


def compare_scores(first: Scores, second: Scores, *, is_v2: bool, resamples: int) -> dict[str, Any]:
    """Two systems on the questions that both answer.

    Args:
        first: its scores by question.
        second: the other's.
        is_v2: whether the keys are v2.0's.
        resamples: data sets and assignments drawn, 1 or more.

    Returns:
        `questions`, how many are compared, and for exact (v1.1: exact_match) and f1 each: `value`
        and `against`, the two means over them, `difference`, its interval `ci95`, and `p_value`,
        two-sided, of a paired randomisation test.

    Raises:
        DataError: no question is answered by both.
    """
    shared = [key for key in first if key in second]
    if not shared:
        raise DataError("no question is answered by both; they cannot be compared")
    ours, theirs = (_to_array([scores[key] for key in shared]) for scores in (first, second))
    compared: dict[str, Any] = {"questions": len(shared)}
    for column, key in enumerate(("exact" if is_v2 else "exact_match", "f1")):
        one, other = ours[:, column], theirs[:, column]
        found = compare_paired(one, other, resamples=resamples, seed=SEED)
        compared[key] = {
            "value": 100.0 * float(one.mean()),
            "against": 100.0 * float(other.mean()),
            "difference": 100.0 * found.difference,
            "ci95": [100.0 * end for end in found.interval],
            "p_value": found.p_value,
        }
    return compared


def _of_group(rows: list[Score], keys: tuple[str, str], resamples: int) -> dict[str, list[float]]:
    intervals = bootstrap_intervals(_to_array(rows), resamples=resamples, seed=SEED)
    return {
        key: [100.0 * end for end in interval]
        for key, interval in zip(keys, intervals, strict=True)
    }


def _to_array(rows: list[Score]) -> Floats:
    """(n, 2): exact match and F1."""
    return np.array(rows, dtype=np.float64).reshape(-1, 2)
