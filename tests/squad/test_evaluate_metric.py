import gzip
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from qarank.errors import DataError
from qarank.squad.evaluate_metric import SquadMetric
from qarank.squad.metric import score_v2
from qarank.squad.prediction_file import read_predictions

REFERENCES = [
    {"id": "a", "answers": {"text": ["the cat", "dog"], "answer_start": [3, 40]}},
    {"id": "b", "answers": {"text": [], "answer_start": []}},
]
PREDICTIONS = [{"id": "a", "prediction_text": "Cat"}, {"id": "b", "prediction_text": "cat"}]
GOLD = {"a": ["the cat", "dog"], "b": []}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the metric went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def make(name: str, folder: Path, **options: Any) -> SquadMetric:
    return SquadMetric(name, cache_dir=str(folder), **options)


def read_references(path: Path) -> list[dict[str, Any]]:
    raw = json.loads(gzip.decompress(path.read_bytes()))
    return [
        {
            "id": qa["id"],
            "answers": {
                "text": [answer["text"] for answer in qa["answers"]],
                "answer_start": [answer["answer_start"] for answer in qa["answers"]],
            },
        }
        for article in raw["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]


def test_v2_golden_figures_come_through_the_shell_unrounded(
    squad_data: Path, tmp_path: Path
) -> None:
    predictions = read_predictions(squad_data / "preds/v2_eval_bert_single.json.gz")
    found = make("squad_v2", tmp_path).compute(
        predictions=[
            {"id": key, "prediction_text": text, "no_answer_probability": 0.0}
            for key, text in predictions.items()
        ],
        references=read_references(squad_data / "squad_v2_eval.json.gz"),
    )
    assert (found["exact"], found["f1"]) == (78.97334649555775, 81.82635533198284)
    assert (found["HasAns_f1"], found["NoAns_f1"]) == (81.35415385147485, 82.26010101010101)


def test_v1_golden_figures_come_through_the_shell_unrounded(
    squad_data: Path, tmp_path: Path
) -> None:
    predictions = read_predictions(squad_data / "preds/v1_eval_bert_ensemble.json.gz")
    found = make("squad", tmp_path).compute(
        predictions=[{"id": key, "prediction_text": text} for key, text in predictions.items()],
        references=read_references(squad_data / "squad_v1_eval.json.gz"),
    )
    assert found == {"exact_match": 86.3529411764706, "f1": 92.75741282354063}


@pytest.mark.parametrize("keep_in_memory", [True, False])
def test_probabilities_keep_all_their_digits(tmp_path: Path, keep_in_memory: bool) -> None:
    chances = {"a": 0.1, "b": 1 / 3}  # neither is a float32
    found = make("squad_v2", tmp_path, keep_in_memory=keep_in_memory).compute(
        predictions=[{**row, "no_answer_probability": chances[row["id"]]} for row in PREDICTIONS],
        references=REFERENCES,
        no_answer_threshold=0.1,
    )
    answers = {row["id"]: row["prediction_text"] for row in PREDICTIONS}
    assert found == score_v2(GOLD, answers, na_prob=chances, na_prob_thresh=0.1)
    assert (found["exact"], found["best_exact_thresh"]) == (100.0, 0.1)


def test_without_probabilities_there_are_no_best_keys(tmp_path: Path) -> None:
    found = make("squad_v2", tmp_path).compute(predictions=PREDICTIONS, references=REFERENCES)
    assert found["exact"] == 50.0
    assert not [key for key in found if key.startswith("best")]


def test_rows_may_be_added_one_by_one(tmp_path: Path) -> None:
    metric = make("squad", tmp_path)
    metric.add(prediction=PREDICTIONS[0], reference=REFERENCES[0])
    assert metric.compute() == {"exact_match": 100.0, "f1": 100.0}


@pytest.mark.parametrize(
    ("name", "prediction", "message"),
    [
        ("squad", {"id": "a"}, "a prediction has the keys id; needed are id, prediction_text"),
        ("squad", {"id": "zz", "prediction_text": ""}, "none of the 1 predictions"),
        ("squad_v2", {"id": "a", "prediction_text": "", "odds": 1.0}, "keys .*odds; needed"),
    ],
)
def test_wrong_predictions_are_told_in_one_line(
    tmp_path: Path, name: str, prediction: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        make(name, tmp_path).compute(predictions=[prediction], references=REFERENCES[:1])


def test_a_reference_with_other_keys_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a reference has the keys id; needed are id, answers"):
        make("squad", tmp_path).compute(predictions=PREDICTIONS[:1], references=[{"id": "a"}])


def test_probabilities_in_some_predictions_only_are_refused(tmp_path: Path) -> None:
    mixed = [{**PREDICTIONS[0], "no_answer_probability": 0.5}, PREDICTIONS[1]]
    with pytest.raises(DataError, match="1 of 2 predictions have no .*, first 'b'"):
        make("squad_v2", tmp_path).compute(predictions=mixed, references=REFERENCES)


def test_another_name_is_refused() -> None:
    with pytest.raises(DataError, match="metric is 'squad_v3'; allowed are squad and squad_v2"):
        SquadMetric("squad_v3")
