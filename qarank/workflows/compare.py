"""What chance leaves of a file's or a run's figures, and how they compare with another's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qarank.artifacts.evaluation import PREDICTIONS
from qarank.artifacts.find_run import find_checkpoint, is_run
from qarank.artifacts.run_dir import RunDir
from qarank.errors import DataError
from qarank.squad.certainty import Scores, compare_scores, figure_intervals
from qarank.squad.metric import Gold, question_scores_v1, question_scores_v2
from qarank.squad.prediction_file import read_predictions


@dataclass(frozen=True)
class Certainty:
    """What is asked beside the figures.

    Attributes:
        resamples: data sets drawn for intervals and comparison; 0 draws none.
        against: answers to compare with: a predictions file, a run or a checkpoint.
    """

    resamples: int = 0
    against: Path | None = None

    def check(self) -> None:
        """Raise what is wrong with it, before anything is read.

        Raises:
            DataError: the two do not go together, or resamples is below 0.
        """
        if self.resamples < 0:
            raise DataError(f"--bootstrap is {self.resamples}; allowed are 1 and more, or 0: off")
        if self.against is not None and not self.resamples:
            raise DataError("--against is decided by resampling; --bootstrap must be 1 or more")


PLAIN = Certainty()


def list_intervals(scores: Scores, gold: Gold, wanted: Certainty, *, is_v2: bool) -> dict[str, Any]:
    """{"ci95": {figure: [low, high]}}, per cent; nothing where no resamples are wanted."""
    if not wanted.resamples:
        return {}
    return {"ci95": figure_intervals(scores, gold, is_v2=is_v2, resamples=wanted.resamples)}


def list_comparison(
    scores: Scores,
    gold: Gold,
    others: Mapping[str, str] | None,
    wanted: Certainty,
    *,
    is_v2: bool,
) -> dict[str, Any]:
    """{"against": ...}, as `compare_scores` with the other's path; nothing without another.

    Args:
        scores: of each question.
        gold: its gold answers.
        others: the other's answers, as `read_others` gives them.
        wanted: names the other.
        is_v2: whether the metric is v2.0's.

    Raises:
        DataError: no question is answered by both.
    """
    if others is None:
        return {}
    score = question_scores_v2 if is_v2 else question_scores_v1
    found = compare_scores(scores, score(gold, others), is_v2=is_v2, resamples=wanted.resamples)
    return {"against": {"path": str(wanted.against), **found}}


def read_others(wanted: Certainty, data: str) -> dict[str, str] | None:
    """The answers to compare with; None where none are wanted.

    Args:
        wanted: names a file, or a run whose answers to the same data have been written.
        data: the data's label, which tells a run's answers to it.

    Raises:
        DataError: the file cannot be read, or the run has no answers to this data.
        RunDirError, CheckpointError: a folder is no run, or has no checkpoint.
    """
    path = wanted.against
    if path is None or not path.is_dir():
        return None if path is None else read_predictions(path)
    if (path / PREDICTIONS).is_file():  # where eval --output wrote
        return read_predictions(path / PREDICTIONS)
    if not is_run(path):
        raise DataError(
            f"--against {path}: it must be an answer file, a run with answers to this data, or a "
            "folder that eval --output wrote"
        )
    checkpoint = find_checkpoint(path)
    run_dir = RunDir(checkpoint.parent.parent)
    written = run_dir.eval_dir(checkpoint.name, data) / PREDICTIONS
    if not written.is_file():
        raise DataError(
            f"{path}: its {checkpoint.name} has no answers to {data} yet; score it first, by"
            " qarank eval with the same data"
        )
    return read_predictions(written)
