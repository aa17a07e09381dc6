import re
import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.errors import DataError
from qarank.squad.metric import (
    compute_exact,
    compute_f1,
    missing_ids,
    normalize_answer,
    question_scores_v1,
    question_scores_v2,
    score_v1,
    score_v2,
)

BEST_KEYS = ["best_exact", "best_exact_thresh", "best_f1", "best_f1_thresh"]
WORDS = ["a", "the", "An", "cat", "Dog", "É", "–the", "a-b", "..", "_a_", "ß", "İ", "\x1c"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
IDS = "abcdef"
GOLDS = st.fixed_dictionaries({key: st.lists(TEXTS, max_size=3) for key in IDS})
PREDICTIONS = st.dictionaries(st.sampled_from([*IDS, "unknown"]), TEXTS).filter(
    lambda found: found.keys() & set(IDS)
)
ODDS = st.fixed_dictionaries(
    {key: st.sampled_from([-1.5, 0.0, 0.25, 0.5, 1.0, 3.0]) for key in [*reversed(IDS), "unknown"]}
)


def plain_normalize(text: str) -> str:
    """One character at a time, as the official scripts spell it out."""
    bare = "".join(char for char in text.lower() if char not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def plain_f1(gold: str, prediction: str) -> float:
    gold_tokens, tokens = plain_normalize(gold).split(), plain_normalize(prediction).split()
    if not gold_tokens or not tokens:
        return float(gold_tokens == tokens)
    same = sum(min(gold_tokens.count(word), tokens.count(word)) for word in set(tokens))
    if not same:
        return 0.0
    precision, recall = same / len(tokens), same / len(gold_tokens)
    return 2 * precision * recall / (precision + recall)


def plain_groups(rows: list[tuple[bool, float, float]]) -> dict[str, float]:
    """The three keys of all questions, of the answerable and of the unanswerable ones."""
    figures: dict[str, float] = {}
    for prefix, kinds in (("", (True, False)), ("HasAns_", (True,)), ("NoAns_", (False,))):
        group = [row for row in rows if row[0] in kinds]
        exact = f1 = 0.0
        for _, hit, overlap in group:
            exact, f1 = exact + hit, f1 + overlap
        if group:
            count = len(group)
            figures |= {f"{prefix}exact": 100.0 * exact / count, f"{prefix}f1": 100.0 * f1 / count}
            figures[f"{prefix}total"] = count
    return figures


def plain_best(
    gold: dict[str, list[str]],
    predictions: dict[str, str],
    scores: dict[str, float],
    odds: dict[str, float],
) -> tuple[float, float]:
    """The best cut by trying every one: answers are given up to it, in the order of odds."""
    order = sorted((key for key in odds if key in scores), key=lambda key: odds[key])
    total = sum(not texts for texts in gold.values())
    tried = [(float(total), 0.0)]
    for key in order:
        gained = scores[key] if gold[key] else -float(predictions[key] != "")
        tried.append((tried[-1][0] + gained, odds[key]))
    most = max(value for value, _ in tried)
    threshold = next(threshold for value, threshold in tried if value == most)
    return 100.0 * most / len(scores), threshold


def plain_scores(golds: list[str], prediction: str) -> tuple[float, float]:
    """v2.0's exact match and F1 of one question."""
    kept = [text for text in golds if plain_normalize(text)] or [""]
    wanted = plain_normalize(prediction)
    exact = float(any(plain_normalize(text) == wanted for text in kept))
    return exact, max(plain_f1(text, prediction) for text in kept)


@given(gold=GOLDS, predictions=PREDICTIONS, odds=ODDS, threshold=st.sampled_from([-2.0, 0.25, 1.0]))
def test_v2_equals_the_plain_reference_whatever_is_missing_or_empty(
    gold: dict[str, list[str]],
    predictions: dict[str, str],
    odds: dict[str, float],
    threshold: float,
) -> None:
    raw = {key: plain_scores(gold[key], predictions[key]) for key in gold if key in predictions}
    rows = []
    for key, (exact, f1) in raw.items():
        empty = float(not gold[key])
        exact, f1 = (empty, empty) if odds[key] > threshold else (exact, f1)
        rows.append((bool(gold[key]), exact, f1))
    wanted = plain_groups(rows)
    for index, name in enumerate(("exact", "f1")):
        one = {key: pair[index] for key, pair in raw.items()}
        best, cut = plain_best(gold, predictions, one, odds)
        wanted |= {f"best_{name}": best, f"best_{name}_thresh": cut}
    found = score_v2(gold, predictions, na_prob=odds, na_prob_thresh=threshold)
    assert repr(found) == repr({key: type(found[key])(wanted[key]) for key in found})
    assert found.keys() == wanted.keys()
    of_each = question_scores_v2(gold, predictions, na_prob=odds, na_prob_thresh=threshold)
    assert list(of_each.values()) == [(exact, f1) for _, exact, f1 in rows]


@given(
    gold=st.fixed_dictionaries({key: st.lists(TEXTS, min_size=1, max_size=3) for key in IDS}),
    predictions=PREDICTIONS,
)
def test_v1_equals_the_plain_reference_whatever_is_missing_or_empty(
    gold: dict[str, list[str]], predictions: dict[str, str]
) -> None:
    rows = []
    for key, texts in gold.items():
        answer = predictions.get(key)
        if answer is None:
            rows.append((0.0, 0.0))
            continue
        wanted = plain_normalize(answer)
        f1 = max(plain_f1(text, answer) for text in texts) if wanted else 0.0
        rows.append((float(any(plain_normalize(text) == wanted for text in texts)), f1))
    exact = f1 = 0.0
    for hit, overlap in rows:
        exact, f1 = exact + hit, f1 + overlap
    wanted_figures = {"exact_match": 100.0 * exact / len(gold), "f1": 100.0 * f1 / len(gold)}
    assert repr(score_v1(gold, predictions)) == repr(wanted_figures)
    assert list(question_scores_v1(gold, predictions).values()) == rows


@given(text=st.text() | TEXTS)
def test_normalising_is_as_the_plain_reference(text: str) -> None:
    assert normalize_answer(text) == plain_normalize(text)


@given(golds=st.lists(TEXTS, max_size=4), prediction=TEXTS)
def test_a_v2_question_scores_its_best_gold_as_the_plain_reference(
    golds: list[str], prediction: str
) -> None:
    kept = [text for text in golds if plain_normalize(text)] or [""]
    found = score_v2({"q": golds}, {"q": prediction})
    wanted = plain_normalize(prediction)
    assert found["exact"] == 100.0 * max(plain_normalize(text) == wanted for text in kept)
    assert found["f1"] == 100.0 * max(plain_f1(text, prediction) for text in kept)


def test_keys_come_in_the_official_order() -> None:
    found = score_v2({"a": ["x"], "b": []}, {"a": "x", "b": ""}, na_prob={"a": 0.1, "b": 0.9})
    groups = [f"{group}{key}" for group in ("", "HasAns_", "NoAns_") for key in ("exact", "f1")]
    assert [key for key in found if not key.endswith("total")] == groups + BEST_KEYS
    assert all(isinstance(found[f"{group}total"], int) for group in ("", "HasAns_", "NoAns_"))


def test_a_group_without_questions_has_no_keys() -> None:
    assert list(score_v2({"a": ["x"]}, {"a": "x"})) == [
        *["exact", "f1", "total"],
        *["HasAns_exact", "HasAns_f1", "HasAns_total"],
    ]


def test_a_gold_that_normalises_to_nothing_is_dropped_but_the_question_stays_answerable() -> None:
    found = score_v2({"a": ["the"]}, {"a": ""})
    assert (found["exact"], found["HasAns_total"]) == (100.0, 1)


def test_v1_gives_no_f1_to_an_empty_answer_but_an_exact_match() -> None:
    assert score_v1({"a": ["the"]}, {"a": "The!"}) == {"exact_match": 100.0, "f1": 0.0}


def test_a_missing_prediction_is_left_out_by_v2_and_counts_zero_in_v1() -> None:
    gold, predictions = {"a": ["x"], "b": ["y"], "c": ["z"]}, {"a": "x", "other": "?"}
    found = score_v2(gold, predictions)
    assert (found["exact"], found["total"], found["HasAns_total"]) == (100.0, 1, 1)
    assert score_v1(gold, predictions)["exact_match"] == 100.0 * 1 / 3
    assert missing_ids(gold, predictions) == ["b", "c"]


def test_an_answer_is_taken_back_only_above_the_threshold() -> None:
    gold, answers, na_prob = {"a": ["x"], "b": []}, {"a": "x", "b": "x"}, {"a": 0.5, "b": 0.6}
    assert score_v2(gold, answers, na_prob=na_prob, na_prob_thresh=0.5)["exact"] == 100.0
    assert score_v2(gold, answers, na_prob=na_prob, na_prob_thresh=0.4)["exact"] == 50.0
    assert score_v2(gold, answers, na_prob=na_prob)["exact"] == 50.0  # the default, 1.0


def test_the_best_threshold_starts_at_zero_with_no_answer_given() -> None:
    found = score_v2({"a": ["x"], "b": []}, {"a": "y", "b": "y"}, na_prob={"a": -3.0, "b": -2.0})
    assert [found[key] for key in BEST_KEYS] == [50.0, 0.0, 50.0, 0.0]


def test_the_best_threshold_is_the_na_prob_of_the_last_answer_worth_giving() -> None:
    gold = {"a": ["x"], "b": [], "c": ["x"], "d": ["x"]}
    na_prob = {"d": -1.5, "c": 0.3, "b": 0.2, "a": 0.1, "not in the data": 0.0}
    found = score_v2(gold, dict.fromkeys("abcd", "x"), na_prob=na_prob)
    assert (found["best_exact"], found["best_exact_thresh"]) == (75.0, 0.1)


def test_sums_run_left_to_right_whatever_python_sums_like() -> None:
    gold = {f"{index}": ["x y z" if index % 3 else "x"] for index in range(1000)}
    total = 0.0
    for texts in gold.values():
        total += compute_f1(texts[0], "x w")
    assert score_v2(gold, dict.fromkeys(gold, "x w"))["f1"] == 100.0 * total / 1000


def test_single_answers_are_compared_normalised() -> None:
    assert compute_exact("The  Cat!", "cat") == 1
    assert compute_exact("cat", "cats") == 0
    assert compute_f1("the black cat", "a cat") == pytest.approx(2 / 3)
    assert compute_f1("the", "") == 1.0
    assert compute_f1("cat", "") == 0.0


@pytest.mark.parametrize("score", [score_v1, score_v2])
def test_predictions_of_other_data_are_refused(score: Callable[..., object]) -> None:
    with pytest.raises(DataError, match=r"^none of the 2 predictions is for one of the 1 quest"):
        score({"a": ["x"]}, {"b": "x", "c": ""})


def test_v1_refuses_a_question_without_gold() -> None:
    with pytest.raises(DataError, match="question b has no gold answer"):
        score_v1({"a": ["x"], "b": []}, {"a": "x"})


def test_a_prediction_without_na_prob_is_named() -> None:
    with pytest.raises(DataError, match="1 predictions have no no-answer probability, first 'b'"):
        score_v2({"a": ["x"], "b": []}, {"a": "x", "b": ""}, na_prob={"a": 0.0})
