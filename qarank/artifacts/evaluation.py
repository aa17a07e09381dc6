"""The files of an evaluation, with run_qa's names and shapes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qarank.artifacts.atomic import write_json, write_text

PREDICTIONS = "predictions.json"
NBEST = "nbest_predictions.json"
NULL_ODDS = "null_odds.json"
METRICS = "metrics.json"


def write_evaluation(
    folder: Path,
    *,
    metrics: Mapping[str, Any],
    predictions: Mapping[str, str],
    nbest: Mapping[str, Any],
    null_odds: Mapping[str, float],
) -> None:
    """Write the files of one evaluation; null_odds.json only where "no answer" is allowed."""
    write_json(folder / PREDICTIONS, dict(predictions))
    # Compact: twenty candidates a question fill megabytes.
    write_text(folder / NBEST, json.dumps(dict(nbest), ensure_ascii=False) + "\n")
    if null_odds:
        write_json(folder / NULL_ODDS, dict(null_odds))
    else:
        (folder / NULL_ODDS).unlink(missing_ok=True)  # of an evaluation before this one
    write_json(folder / METRICS, dict(metrics))


def write_run_qa_evaluation(
    folder: Path,
    *,
    metrics: Mapping[str, Any],
    predictions: Mapping[str, str],
    nbest: Mapping[str, Any],
    null_odds: Mapping[str, float],
) -> None:
    """As `write_evaluation`, the first three files byte for byte as run_qa writes them."""
    for name, content in ((PREDICTIONS, predictions), (NBEST, nbest), (NULL_ODDS, null_odds)):
        if content or name != NULL_ODDS:
            write_text(folder / name, json.dumps(dict(content), indent=4) + "\n")
        else:
            (folder / name).unlink(missing_ok=True)
    write_json(folder / METRICS, dict(metrics))
