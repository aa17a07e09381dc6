"""The null threshold that scores best on some questions, to be used on others.

Dims: num_questions.
Source: the official v2.0 script's search for the best threshold. Differs: questions of equal null
odds are taken together, since no threshold parts them, and the threshold stands half way to the
next question, not on one.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from qarank.squad.metric import question_scores_v2


def tune_threshold(
    gold: Mapping[str, Sequence[str]],
    answers: Mapping[str, str],
    null_odds: Mapping[str, float],
    *,
    metric: str,
) -> float:
    """The threshold on the null odds with the best mean score; of equals the lowest.

    Args:
        gold: id -> gold answers, at least one id; empty where unanswerable.
        answers: id -> the best span's text, whatever the null score.
        null_odds: id -> null score - best span's score; above the threshold there is no answer.
        metric: "exact" or "f1".

    """
    column = ("exact", "f1").index(metric)
    answered = question_scores_v2(gold, answers, na_prob=null_odds, na_prob_thresh=math.inf)
    silent = {key: float(not gold[key]) for key in answered}
    keys = sorted(answered, key=lambda key: null_odds[key])
    odds = np.array([null_odds[key] for key in keys])  # (num_questions,) rising
    gains = np.array([answered[key][column] - silent[key] for key in keys])
    totals = np.concatenate([[0.0], gains.cumsum()])  # of answering the first 0, 1, ... of them
    can_cut = np.concatenate([[True], odds[1:] > odds[:-1], [True]])
    best = int(np.where(can_cut, totals, -math.inf).argmax())
    return _place_threshold(odds, best)


def _place_threshold(odds: np.ndarray, num_answered: int) -> float:
    """Half way between the last question that is answered and the first that is not."""
    if num_answered == 0:
        return float(np.nextafter(odds[0], -math.inf))
    if num_answered == len(odds):
        return float(odds[-1])
    below, above = float(odds[num_answered - 1]), float(odds[num_answered])
    middle = below + (above - below) / 2
    return middle if middle < above else below
