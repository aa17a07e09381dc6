"""qarank eval --predictions: the official figures of any predictions file; no model, no torch."""

from pathlib import Path
from typing import Any

from qarank.squad.metric import (
    missing_ids,
    question_scores_v1,
    question_scores_v2,
    score_v1,
    score_v2,
)
from qarank.squad.prediction_file import read_na_prob, read_predictions
from qarank.squad.source_names import file_stem, name_file
from qarank.squad.sources import load_examples
from qarank.workflows.compare import (
    PLAIN,
    Certainty,
    list_comparison,
    list_intervals,
    read_others,
)


def score_file(
    predictions: Path,
    data: Path,
    *,
    na_prob: Path | None,
    na_prob_thresh: float,
    wanted: Certainty = PLAIN,
) -> tuple[dict[str, Any], int]:
    """Score {id: answer} against a SQuAD file, v2.0's way if it has unanswerable questions.

    Args:
        predictions: JSON, plain or gzip.
        data: questions with gold answers, a file of any known kind.
        na_prob: {id: no-answer probability or score}; brings the best_* keys.
        na_prob_thresh: an answer whose na_prob is above this counts as none.
        wanted: intervals, and other answers to compare with.

    Returns:
        The official keys; with intervals `ci95`, with others `against`, as `compare` lists
        them. And how many questions have no prediction.

    Raises:
        DataError: a file cannot be read, or the ids do not match.
    """
    wanted.check()
    examples = load_examples(name_file(data), "validation")
    gold = {example.id: example.answers for example in examples}
    answers = read_predictions(predictions)
    others = read_others(wanted, file_stem(str(data)))
    num_missing = len(missing_ids(gold, answers))
    is_v2 = na_prob is not None or any(example.is_impossible for example in examples)
    report: dict[str, Any]
    if is_v2:
        odds = None if na_prob is None else read_na_prob(na_prob)
        report = dict(score_v2(gold, answers, na_prob=odds, na_prob_thresh=na_prob_thresh))
        scores = question_scores_v2(gold, answers, na_prob=odds, na_prob_thresh=na_prob_thresh)
    else:
        report = dict(score_v1(gold, answers))
        scores = question_scores_v1(gold, answers)
    report |= list_intervals(scores, gold, wanted, is_v2=is_v2)
    report |= list_comparison(scores, gold, others, wanted, is_v2=is_v2)
    return report, num_missing
