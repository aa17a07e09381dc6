import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qarank.errors import DataError
from qarank.squad.certainty import compare_scores, figure_intervals
from qarank.squad.metric import question_scores_v1, question_scores_v2, score_v1, score_v2
from qarank.squad.prediction_file import read_predictions
from qarank.squad.sources import load_examples

GOLD = {f"{index}": ["cat dog"] if index % 3 else [] for index in range(90)}
ANSWERS = {key: ["cat dog", "cat", "", "bird"][int(key) % 4] for key in GOLD}


def test_v2s_figures_each_have_an_interval_around_them() -> None:
    scores = question_scores_v2(GOLD, ANSWERS)
    found = figure_intervals(scores, GOLD, is_v2=True, resamples=500)
    figures = score_v2(GOLD, ANSWERS)
    assert list(found) == [key for key in figures if not key.endswith("total")]
    for key, (low, high) in found.items():
        assert 0.0 <= low < figures[key] < high <= 100.0


def test_the_answerable_are_drawn_among_themselves() -> None:
    some = {key: texts for key, texts in GOLD.items() if texts}
    alone = question_scores_v2(some, ANSWERS)
    all_of_them = question_scores_v2(GOLD, ANSWERS)
    found = figure_intervals(all_of_them, GOLD, is_v2=True, resamples=300)
    assert found["HasAns_f1"] == figure_intervals(alone, some, is_v2=True, resamples=300)["f1"]


def test_a_kind_that_is_not_there_has_no_interval() -> None:
    gold = {"a": ["x"], "b": ["y"]}
    scores = question_scores_v2(gold, {"a": "x", "b": "x"})
    found = figure_intervals(scores, gold, is_v2=True, resamples=10)
    assert list(found) == ["exact", "f1", "HasAns_exact", "HasAns_f1"]


def test_v1s_keys_are_v1s() -> None:
    gold = {key: ["cat dog"] for key in GOLD}
    scores = question_scores_v1(gold, ANSWERS)
    found = figure_intervals(scores, gold, is_v2=False, resamples=500)
    assert list(found) == list(score_v1(gold, ANSWERS))


def compare(first: dict[str, str], second: dict[str, str], **options: Any) -> dict[str, Any]:
    scores = (question_scores_v2(GOLD, answers) for answers in (first, second))
    return compare_scores(*scores, is_v2=True, **({"resamples": 999} | options))


def test_a_better_system_is_told_from_a_worse_one() -> None:
    best = {key: "".join(texts[:1]) for key, texts in GOLD.items()}
    found = compare(best, ANSWERS)
    assert list(found) == ["questions", "exact", "f1"]
    assert found["questions"] == 90
    worse = score_v2(GOLD, ANSWERS)
    assert (found["f1"]["value"], found["f1"]["against"]) == pytest.approx((100.0, worse["f1"]))
    for key in ("exact", "f1"):
        assert found[key]["difference"] == pytest.approx(100.0 - worse[key])
        low, high = found[key]["ci95"]
        assert 0.0 < low < found[key]["difference"] < high
        assert found[key]["p_value"] == pytest.approx(1 / 1000)


def test_a_system_does_not_differ_from_itself() -> None:
    found = compare(ANSWERS, ANSWERS)
    assert (found["exact"]["difference"], found["exact"]["p_value"]) == (0.0, 1.0)


def test_only_questions_that_both_answer_are_compared() -> None:
    some = {key: text for key, text in ANSWERS.items() if int(key) < 30}
    assert compare(ANSWERS, some)["questions"] == 30
    others = {key: text for key, text in ANSWERS.items() if int(key) >= 30}
    with pytest.raises(DataError, match="no question is answered by both"):
        compare(some, others)


def test_v1s_exact_match_is_called_so() -> None:
    gold = {"a": ["x"], "b": ["y"]}
    scores = question_scores_v1(gold, {"a": "x"})
    assert "exact_match" in compare_scores(scores, scores, is_v2=False, resamples=9)


def test_twelve_thousand_questions_take_less_than_two_seconds() -> None:
    """Generous, for a busy machine: it is a tenth of that where nothing else runs."""
    generator = np.random.default_rng(0)
    overlaps = np.minimum(generator.integers(0, 60, 12_000) / 40, 1.0).tolist()
    gold = {f"{index}": ["x"] if index % 2 else [] for index in range(12_000)}
    scores = {key: (int(f1 == 1.0), f1) for key, f1 in zip(gold, overlaps, strict=True)}
    began = time.process_time()
    figure_intervals(scores, gold, is_v2=True, resamples=10_000)
    assert time.process_time() - began < 2.0


def test_published_systems_differ_by_what_their_figures_say(squad_data: Path) -> None:

    examples = load_examples(str(squad_data / "squad_v2_eval.json.gz"), "validation")
    gold = {example.id: example.answers for example in examples}
    scores = [
        question_scores_v2(gold, read_predictions(squad_data / f"preds/v2_eval_{name}.json.gz"))
        for name in ("bert_single", "bidaf_elmo")
    ]
    found = compare_scores(*scores, is_v2=True, resamples=999)
    assert found["exact"]["value"] == pytest.approx(78.97334649555775)
    assert found["exact"]["against"] == pytest.approx(65.43270812767358)
    assert found["f1"]["difference"] == pytest.approx(81.82635533198284 - 67.58550604191517)
    assert found["f1"]["p_value"] == 1 / 1000
    assert 12.0 < found["f1"]["ci95"][0] < found["f1"]["ci95"][1] < 16.5
