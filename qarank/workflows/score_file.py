"""qarank eval --predictions: the official figures of any predictions file; no model, no torch."""

from pathlib import Path
from typing import Any

from qarank.squad.metric import missing_ids, score_v1, score_v2
from qarank.squad.prediction_file import read_na_prob, read_predictions
from qarank.squad.source_names import name_file
from qarank.squad.sources import load_examples


def score_file(
    predictions: Path, data: Path, *, na_prob: Path | None, na_prob_thresh: float
) -> tuple[dict[str, Any], int]:
    """Score {id: answer} against a SQuAD file, v2.0's way if it has unanswerable questions.

    Args:
        predictions: JSON, plain or gzip.
        data: questions with gold answers, a file of any known kind.
        na_prob: {id: no-answer probability or score}; brings the best_* keys.
        na_prob_thresh: an answer whose na_prob is above this counts as none.

    Returns:
        The official keys, and how many questions have no prediction.

    Raises:
        DataError: a file cannot be read, or the ids do not match.
    """
    examples = load_examples(name_file(data), "validation")
    gold = {example.id: example.answers for example in examples}
    answers = read_predictions(predictions)
    num_missing = len(missing_ids(gold, answers))
    is_v2 = any(example.is_impossible for example in examples)
    if not is_v2 and na_prob is None:
        return dict(score_v1(gold, answers)), num_missing
    odds = None if na_prob is None else read_na_prob(na_prob)
    scores = score_v2(gold, answers, na_prob=odds, na_prob_thresh=na_prob_thresh)
    return dict(scores), num_missing
