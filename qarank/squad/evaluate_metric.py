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

_DESCRIPTION = "The SQuAD metric, equal to the official scripts."
_INPUTS = """
Args:
    predictions: [{"id", "prediction_text"}], with squad_v2 also "no_answer_probability".
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

    def _compute(
        self,
        predictions: Sequence[Mapping[str, Any]],
        references: Sequence[Mapping[str, Any]],
        no_answer_threshold: float = 1.0,
    ) -> dict[str, float]:
        gold = {row["id"]: row["answers"]["text"] for row in references}
        answers = {row["id"]: row["prediction_text"] for row in predictions}
        if self.config_name == "squad":
            return score_v1(gold, answers)
        na_prob = {row["id"]: row["no_answer_probability"] for row in predictions}
        return score_v2(gold, answers, na_prob=na_prob, na_prob_thresh=no_answer_threshold)
