"""The files of an evaluation, with run_qa's names and shapes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qarank.artifacts.atomic import render_json, write_bytes, write_json, write_text
from qarank.errors import RunDirError

PREDICTIONS = "predictions.json"
NBEST = "nbest_predictions.json"
NULL_ODDS = "null_odds.json"
METRICS = "metrics.json"


def check_evaluation_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a place for an evaluation's files where something stands.

    Args:
        folder: need not be there.
        overwrite: files of an evaluation's names may be replaced.

    Raises:
        RunDirError: it is no folder, holds files of other names, or holds any unless overwrite.
    """
    own = {PREDICTIONS, NBEST, NULL_ODDS, METRICS}
    if folder.exists() and not folder.is_dir():
        raise RunDirError(f"{folder} is no folder; choose another name")
    others = sorted(path.name for path in folder.glob("*") if path.name not in own)
    if others:
        raise RunDirError(f"{folder} holds something else ({others[0]}); choose another name")
    if not overwrite and any(folder.glob("*")):
        raise RunDirError(f"{folder} holds an evaluation; --overwrite replaces it")


def write_evaluation(
    folder: Path,
    *,
    metrics: Mapping[str, Any],
    predictions: Mapping[str, str],
    nbest_json: bytes,
    null_odds: Mapping[str, float],
) -> None:
    """Write the files of one evaluation; null_odds.json only where "no answer" is allowed.

    Args:
        folder: made if need be.
        metrics: figures by key.
        predictions: id -> answer.
        nbest_json: {id: candidates} on one line: twenty a question fill megabytes.
        null_odds: id -> odds; empty where "no answer" is not allowed.
    """
    write_text(folder / PREDICTIONS, _render_flat(predictions))
    write_bytes(folder / NBEST, nbest_json + b"\n")
    if null_odds:
        write_text(folder / NULL_ODDS, _render_flat(null_odds))
    else:
        (folder / NULL_ODDS).unlink(missing_ok=True)  # of an evaluation before this one
    write_json(folder / METRICS, dict(metrics))


def _render_flat(document: Mapping[str, Any]) -> str:
    """As `render_json`, of an object of texts and numbers; json is slow where it must indent."""
    if not document:
        return render_json({})
    text = json.dumps(dict(document), ensure_ascii=False, separators=(",\n  ", ": "))
    return f"{{\n  {text[1:-1]}\n}}\n"


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
