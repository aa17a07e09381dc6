"""The golden figures: the official scripts' output on real SQuAD, all digits."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from qarank.squad.metric import score_v1, score_v2
from qarank.squad.prediction_file import read_predictions

V2_KEYS = ["exact", "f1", "HasAns_exact", "HasAns_f1", "NoAns_exact"]
BEST_KEYS = ["best_exact", "best_exact_thresh", "best_f1", "best_f1_thresh"]
# The official scripts' figures; columns are V2_KEYS, and BEST_KEYS after them.
GOLDEN_V2 = """
eval bert_single 78.97334649555775 81.82635533198284 75.39518900343643 81.35415385147485 82.26010101010101
eval bidaf_elmo 65.43270812767358 67.58550604191517 63.71134020618557 68.20780265386972 67.01388888888889
eval empty 52.122408687068116 52.122408687068116 0.0 0.0 100.0
eval first_gold 100.0 100.0 100.0 100.0 100.0
official bert_single 78.74168280973637 81.77528052374723 74.10593792172739 80.18183293833508 83.36417157275021
official bidaf_elmo 65.70369746483618 67.87648921451334 61.42037786774629 65.77219238257676 69.97476871320437
official empty 50.07159100480081 50.07159100480081 0.0 0.0 100.0
"""  # noqa: E501  # one row of the published table a line
GOLDEN_AT_HALF = """
eval 76.27509049029285 78.02714462804485 62.955326460481096 66.61477149459006 88.51010101010101 78.97334649555775 0.9995932575548068 81.82635533198287 0.9995932575548068
official 74.95999326202308 76.88732008257666 59.75033738191633 63.61051810736039 90.12615643397814 78.74168280973637 0.999721288564615 81.77528052374694 0.999721288564615
"""  # noqa: E501
GOLDEN_V1 = """
eval 86.3529411764706 92.75741282354063
official 86.20624408703878 92.19557978351145
"""
GOLDEN_TOTALS = {"eval": [6078, 2910, 3168], "official": [11873, 5928, 5945]}


def rows_of(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines()]


def read_gold(folder: Path, version: str, part: str) -> dict[str, list[str]]:
    name = "eval" if part == "eval" else "dev_official"
    raw = json.loads(gzip.decompress((folder / f"squad_{version}_{name}.json.gz").read_bytes()))
    questions = (qa for art in raw["data"] for par in art["paragraphs"] for qa in par["qas"])
    return {qa["id"]: [answer["text"] for answer in qa["answers"]] for qa in questions}


def read_system(folder: Path, part: str, system: str, gold: dict[str, list[str]]) -> dict[str, str]:
    if system == "empty":
        return dict.fromkeys(gold, "")
    if system == "first_gold":
        return {key: texts[0] if texts else "" for key, texts in gold.items()}
    return read_predictions(folder / "preds" / f"v2_{part}_{system}.json.gz")


def made_up_na_prob(bidaf: dict[str, str]) -> dict[str, float]:
    """The reproducible no-answer probability of the golden figures."""
    return {
        key: 0.5 * (text == "") + 0.5 * int(hashlib.sha1(key.encode()).hexdigest()[:8], 16) / 2**32
        for key, text in bidaf.items()
    }


@pytest.mark.parametrize(
    ("part", "system", "figures"), [(p, s, f) for p, s, *f in rows_of(GOLDEN_V2)]
)
def test_v2_scores_equal_the_official_script_to_the_last_digit(
    squad_data: Path, part: str, system: str, figures: list[str]
) -> None:
    gold = read_gold(squad_data, "v2", part)
    found = score_v2(gold, read_system(squad_data, part, system, gold))
    assert [repr(found[key]) for key in V2_KEYS] == figures
    assert found["NoAns_f1"] == found["NoAns_exact"]
    assert [found[f"{group}total"] for group in ("", "HasAns_", "NoAns_")] == GOLDEN_TOTALS[part]
    assert not set(BEST_KEYS) & set(found)


@pytest.mark.parametrize(("part", "figures"), [(p, f) for p, *f in rows_of(GOLDEN_AT_HALF)])
def test_v2_thresholds_equal_the_official_script_to_the_last_digit(
    squad_data: Path, part: str, figures: list[str]
) -> None:
    gold = read_gold(squad_data, "v2", part)
    na_prob = made_up_na_prob(read_system(squad_data, part, "bidaf_elmo", gold))
    bert = read_system(squad_data, part, "bert_single", gold)
    found = score_v2(gold, bert, na_prob=na_prob, na_prob_thresh=0.5)
    assert [repr(found[key]) for key in V2_KEYS + BEST_KEYS] == figures


@pytest.mark.parametrize(("part", "figures"), [(p, f) for p, *f in rows_of(GOLDEN_V1)])
def test_v1_scores_equal_the_official_script_to_the_last_digit(
    squad_data: Path, part: str, figures: list[str]
) -> None:
    gold = read_gold(squad_data, "v1", part)
    predictions = read_predictions(squad_data / "preds" / f"v1_{part}_bert_ensemble.json.gz")
    assert [repr(figure) for figure in score_v1(gold, predictions).values()] == figures
