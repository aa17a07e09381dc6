"""SQuAD's own metric, v1.1 and v2.0, equal to the official scripts to the last digit.

A gold mapping is question id -> gold answer texts, in data set order; no texts = unanswerable.
Scores are summed in that order, left to right: numpy's sum and, from Python 3.12 on, the built-in
one round differently. A question without a prediction is left out of the v2.0 scores and counts
zero in the v1.1 scores; `missing_ids` tells which.

Source: rajpurkar/SQuAD-explorer, evaluate-v2.0.py and evaluate-v1.1.py. Differs: where predictions
are missing evaluate-v2.0.py stops at HasAns and NoAns; here each covers what was predicted.
"""

import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from qarank.errors import DataError

_DROP_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")

Gold = Mapping[str, Sequence[str]]
Score = tuple[int, float]  # exact match and F1 of one question, 0..1


def normalize_answer(text: str) -> str:
    """Lower case, without punctuation, articles and surplus white space."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_DROP_PUNCTUATION)).split())


def compute_exact(gold: str, prediction: str) -> int:
    """1 where the two texts are equal once normalised, else 0."""
    return int(normalize_answer(gold) == normalize_answer(prediction))


def compute_f1(gold: str, prediction: str) -> float:
    """Token F1 of the normalised texts, 0..1, as v2.0 counts it: two empty texts agree."""
    return _token_f1(normalize_answer(gold).split(), normalize_answer(prediction).split())


def missing_ids(gold: Gold, predictions: Mapping[str, str]) -> list[str]:
    """The ids of gold that have no prediction, in data set order."""
    return [question_id for question_id in gold if question_id not in predictions]


def question_scores_v1(gold: Gold, predictions: Mapping[str, str]) -> dict[str, Score]:
    """Each question's exact match and F1, in data set order; without a prediction both are 0.

    Raises:
        DataError: as `score_v1`.
    """
    _require_overlap(gold, predictions)
    normalize = cache(normalize_answer)
    scores: dict[str, Score] = {}
    for question_id, texts in gold.items():
        if not texts:
            raise DataError(
                f"question {question_id} has no gold answer; SQuAD v1.1 wants one for each question"
            )
        scores[question_id] = (0, 0.0)
        if question_id in predictions:
            answer = normalize(predictions[question_id])
            hit, f1 = _score_answer({normalize(text) for text in texts}, answer)
            scores[question_id] = (hit, f1 if answer else 0.0)  # v1.1: no token, no f1
    return scores


def question_scores_v2(
    gold: Gold,
    predictions: Mapping[str, str],
    *,
    na_prob: Mapping[str, float] | None = None,
    na_prob_thresh: float = 1.0,
) -> dict[str, Score]:
    """Exact match and F1 of each question that has a prediction, in data set order.

    Arguments and errors are those of `score_v2`.
    """
    raw = _score_answers(gold, predictions)
    odds = dict.fromkeys(raw, 0.0) if na_prob is None else na_prob
    return _apply_threshold(raw, gold, odds, na_prob_thresh)


def score_v1(gold: Gold, predictions: Mapping[str, str]) -> dict[str, float]:
    """exact_match and f1, 0..100, over all questions of gold.

    Raises:
        DataError: no prediction is for a question of gold, or a question has no gold answer.
    """
    exact, f1 = 0, 0.0
    for hit, overlap in question_scores_v1(gold, predictions).values():
        exact, f1 = exact + hit, f1 + overlap
    return {"exact_match": 100.0 * exact / len(gold), "f1": 100.0 * f1 / len(gold)}


def score_v2(
    gold: Gold,
    predictions: Mapping[str, str],
    *,
    na_prob: Mapping[str, float] | None = None,
    na_prob_thresh: float = 1.0,
) -> dict[str, float]:
    """The official keys in the official order; scores 0..100, totals are int.

    Args:
        gold: id -> gold answers; empty where unanswerable.
        predictions: id -> answer; "" says there is none.
        na_prob: id -> how sure it is that there is no answer, on any scale; brings the best_* keys.
        na_prob_thresh: an answer whose na_prob is above this counts as "".

    Raises:
        DataError: no prediction is for a question of gold, or na_prob lacks a predicted id.
    """
    raw = _score_answers(gold, predictions)
    odds = dict.fromkeys(raw, 0.0) if na_prob is None else na_prob
    scores = _apply_threshold(raw, gold, odds, na_prob_thresh)
    result = _average(scores.values(), "")
    result |= _average([scores[key] for key in scores if gold[key]], "HasAns_")
    result |= _average([scores[key] for key in scores if not gold[key]], "NoAns_")
    if na_prob is not None:
        for index, name in enumerate(("exact", "f1")):
            one = {key: pair[index] for key, pair in raw.items()}
            best, threshold = _find_best_threshold(one, gold, predictions, na_prob)
            result |= {f"best_{name}": best, f"best_{name}_thresh": threshold}
    return result


def _token_f1(gold: list[str], prediction: list[str]) -> float:
    if not gold or not prediction:
        return float(gold == prediction)
    left = Counter(gold)
    same = 0
    for token in prediction:
        if left[token] > 0:
            left[token] -= 1
            same += 1
    if same == 0:
        return 0.0
    precision, recall = same / len(prediction), same / len(gold)
    return (2 * precision * recall) / (precision + recall)


def _score_answer(wanted: set[str], answer: str) -> Score:
    """(exact, f1) of a normalised answer against its best gold."""
    if answer in wanted:
        return 1, 1.0
    tokens = answer.split()
    return 0, max(_token_f1(text.split(), tokens) for text in wanted)


def _score_answers(gold: Gold, predictions: Mapping[str, str]) -> dict[str, Score]:
    """v2.0's scores of the questions that have a prediction, whatever their na_prob."""
    _require_overlap(gold, predictions)
    normalize = cache(normalize_answer)  # annotators agree, and systems with them
    scores: dict[str, Score] = {}
    for question_id, texts in gold.items():
        if question_id in predictions:
            wanted = {normalize(text) for text in texts}
            wanted.discard("")  # a gold of v2.0 says something; none at all means ""
            scores[question_id] = _score_answer(wanted or {""}, normalize(predictions[question_id]))
    return scores


def _apply_threshold(
    raw: Mapping[str, Score], gold: Gold, na_prob: Mapping[str, float], threshold: float
) -> dict[str, Score]:
    lacking = [key for key in raw if key not in na_prob]
    if lacking:
        raise DataError(
            f"{len(lacking)} predictions have no no-answer probability, first {lacking[0]!r}; "
            "each predicted id needs one"
        )
    empty = {True: (0, 0.0), False: (1, 1.0)}  # what "" scores where there is an answer, or none
    return {
        key: empty[bool(gold[key])] if na_prob[key] > threshold else pair
        for key, pair in raw.items()
    }


def _average(pairs: Iterable[Score], prefix: str) -> dict[str, float]:
    """The three keys of one group of questions; none if the group is empty."""
    exact, f1, total = 0, 0.0, 0
    for hit, overlap in pairs:
        exact, f1, total = exact + hit, f1 + overlap, total + 1
    if total == 0:
        return {}
    return {
        f"{prefix}exact": 100.0 * exact / total,
        f"{prefix}f1": 100.0 * f1 / total,
        f"{prefix}total": total,
    }


def _find_best_threshold(
    scores: Mapping[str, float],
    gold: Gold,
    predictions: Mapping[str, str],
    na_prob: Mapping[str, float],
) -> tuple[float, float]:
    """The best score, 0..100, and the na_prob up to which answers are given for it.

    Starts at no answers given (threshold 0.0) and lets them in by rising na_prob, ties in
    na_prob's own order.
    """
    current = best = float(sum(not texts for texts in gold.values()))
    threshold = 0.0
    for key in sorted(na_prob, key=na_prob.__getitem__):
        if key not in scores:
            continue
        if gold[key]:
            current += scores[key]
        elif predictions[key]:
            current -= 1
        if current > best:
            best, threshold = current, na_prob[key]
    return 100.0 * best / len(scores), threshold


def _require_overlap(gold: Gold, predictions: Mapping[str, str]) -> None:
    if not any(question_id in predictions for question_id in gold):
        raise DataError(
            f"none of the {len(predictions)} predictions is for one of the {len(gold)} questions; "
            "their ids must match"
        )
