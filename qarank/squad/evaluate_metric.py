"""The SQuAD metric as an `evaluate.Metric`: a shell around qarank.squad.metric.

Inputs and keys are those of the hub's `squad` and `squad_v2` metrics, but nothing is downloaded,
and numbers stay float64 (the hub's squad_v2 rounds no_answer_probability to float32).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import evaluate

from qarank.errors import DataError
from qarank.squad.metric import score_v1, score_v2

CONFIGS = ("squad", "squad_v2")

Row = Mapping[str, Any]

_PREDICTION_KEYS = ("id", "prediction_text")
_REFERENCE_KEYS = ("id", "answers")
_DESCRIPTION = "The SQuAD metric, equal to the official scripts."
_INPUTS = """
Args:
    predictions: [{"id", "prediction_text"}]; with squad_v2 "no_answer_probability" may be there
        too, in all or in none, and brings the best_* keys.
    references: [{"id", "answers": {"text": [...], "answer_start": [...]}}].
    no_answer_threshold: squad_v2 only: a no_answer_probability above it counts as "". Default 1.0.
"""
_CITATION = "Rajpurkar et al., arXiv:1606.05250; Rajpurkar, Jia and Liang, arXiv:1806.03822"


class SquadMetric(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """SquadMetric("squad") is v1.1, SquadMetric("squad_v2") is v2.0.

    Raises:
        DataError: the name is another, or the inputs cannot be scored.
    """

    def __init__(self, config_name: str = "squad_v2", **kwargs: Any) -> None:
        if config_name not in CONFIGS:
            raise DataError(f"metric is {config_name!r}; allowed are {' and '.join(CONFIGS)}")
        super().__init__(config_name=config_name, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        prediction = {"id": text, "prediction_text": text}
        if self.config_name == "squad_v2":
            prediction["no_answer_probability"] = datasets.Value("float64")
        answers = {
            "text": datasets.List(text),
            "answer_start": datasets.List(datasets.Value("int64")),
        }
        references = {"id": text, "answers": answers}
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": prediction, "references": references}),
        )

    def add_batch(
        self,
        *,
        predictions: Sequence[Row] | None = None,
        references: Sequence[Row] | None = None,
        **kwargs: Any,
    ) -> None:
        """Take in a batch of predictions and references."""
        rows = [self._complete(row) for row in predictions or ()]
        for row in references or ():
            _require_keys("reference", row, _REFERENCE_KEYS, _REFERENCE_KEYS)
        super().add_batch(predictions=rows, references=references, **kwargs)

    def add(self, *, prediction: Row, reference: Row, **kwargs: Any) -> None:
        """Take in one prediction and its reference."""
        _require_keys("reference", reference, _REFERENCE_KEYS, _REFERENCE_KEYS)
        super().add(prediction=self._complete(prediction), reference=reference, **kwargs)

    def _complete(self, prediction: Row) -> Row:
        """Evaluate wants every key in every row; the probability may be left out."""
        if self.config_name == "squad":
            _require_keys("prediction", prediction, _PREDICTION_KEYS, _PREDICTION_KEYS)
            return prediction
        allowed = (*_PREDICTION_KEYS, "no_answer_probability")
        _require_keys("prediction", prediction, _PREDICTION_KEYS, allowed)
        return {"no_answer_probability": None, **prediction}

    def _compute(
        self,
        predictions: Sequence[Row],
        references: Sequence[Row],
        no_answer_threshold: float = 1.0,
    ) -> dict[str, float]:
        gold = {row["id"]: row["answers"]["text"] for row in references}
        answers = {row["id"]: row["prediction_text"] for row in predictions}
        if self.config_name == "squad":
            return score_v1(gold, answers)
        na_prob = _read_na_prob(predictions)
        return score_v2(gold, answers, na_prob=na_prob, na_prob_thresh=no_answer_threshold)


def _read_na_prob(predictions: Sequence[Row]) -> dict[str, float] | None:
    """Id -> no_answer_probability; None where no prediction has one."""
    found = {row["id"]: row["no_answer_probability"] for row in predictions}
    lacking = [key for key, value in found.items() if value is None]
    if len(lacking) == len(found):
        return None
    if lacking:
        raise DataError(
            f"{len(lacking)} of {len(found)} predictions have no no_answer_probability, first "
            f"{lacking[0]!r}; allowed is in all or in none"
        )
    return found


def _require_keys(what: str, row: Row, needed: Sequence[str], allowed: Sequence[str]) -> None:
    if not set(needed) <= set(row) <= set(allowed):
        raise DataError(
            f"a {what} has the keys {', '.join(map(str, row))}; "
            f"needed are {', '.join(needed)}, allowed {', '.join(allowed)}"
        )
