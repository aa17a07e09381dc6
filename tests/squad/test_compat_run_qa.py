"""run_qa's answers, against a slow plain reference written from its documented behaviour."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from qarank.squad.compat_run_qa import RunQaAnswers, decode_as_run_qa
from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable
from qarank.squad.features import build_features
from qarank.squad.raw_offsets import read_raw_offsets
from qarank.squad.sample import almanac
from qarank.squad.top_logits import keep_top_logits

Pair = tuple[int, int]
Window = tuple[int, list[Pair | None]]  # its example, and each token's characters
CONTEXT = "Zoë ate 東京 ramen, then slept."


def plain_run_qa(
    examples: list[Example],
    windows: list[Window],
    starts: np.ndarray,
    ends: np.ndarray,
    *,
    n_best_size: int = 20,
    max_answer_length: int = 30,
    null_threshold: float = 0.0,
    with_null: bool = True,
) -> dict[str, dict[str, Any]]:
    """One example, window, start and end at a time; logits are (windows, padded length)."""
    files: dict[str, dict[str, Any]] = {"predictions": {}, "nbest": {}, "null_odds": {}}
    for number, example in enumerate(examples):
        rows = [row for row, (owner, _) in enumerate(windows) if owner == number]
        found = [
            one
            for row in rows
            for one in plain_candidates(
                windows[row][1], starts[row], ends[row], n_best_size, max_answer_length
            )
        ]
        nulls = [one_candidate((0, 0), starts[row][0], ends[row][0]) for row in rows]
        null = min(nulls, key=lambda one: one["score"])  # the first of equals
        entries = plain_entries(example.context, found, null if with_null else None, n_best_size)
        answer = entries[0]["text"]
        if with_null:
            best = [one for one in entries if one["text"] != ""][0]
            odds = null["start_logit"] + null["end_logit"]
            odds = odds - best["start_logit"] - best["end_logit"]
            files["null_odds"][example.id] = float(odds)
            answer = "" if odds > null_threshold else best["text"]
        files["predictions"][example.id] = answer
        files["nbest"][example.id] = [
            {key: value if key == "text" else float(value) for key, value in one.items()}
            for one in entries
        ]
    return files


def plain_candidates(
    offsets: list[Pair | None],
    starts: np.ndarray,
    ends: np.ndarray,
    n_best_size: int,
    max_answer_length: int,
) -> list[dict[str, Any]]:
    """Those of one window."""
    found = []
    for start in np.argsort(starts)[::-1][:n_best_size]:
        for end in np.argsort(ends)[::-1][:n_best_size]:
            if max(start, end) >= len(offsets) or not 0 <= end - start < max_answer_length:
                continue
            first, last = offsets[start], offsets[end]
            if first is not None and last is not None:
                found.append(one_candidate((first[0], last[1]), starts[start], ends[end]))
    return found


def plain_entries(
    context: str, found: list[dict[str, Any]], null: dict[str, Any] | None, n_best_size: int
) -> list[dict[str, Any]]:
    """The n-best list of one example."""
    found = found if null is None else [*found, dict(null)]
    found = sorted(found, key=lambda one: one["score"], reverse=True)[:n_best_size]
    if null is not None and all(one["chars"] != (0, 0) for one in found):
        found.append(dict(null))
    for one in found:
        one["text"] = context[slice(*one.pop("chars"))]
    if [one["text"] for one in found] in ([], [""]):
        found.insert(0, {"text": "empty", "start_logit": 0.0, "end_logit": 0.0, "score": 0.0})
    scores = np.array([one.pop("score") for one in found])
    weights = np.exp(scores - np.max(scores))
    for one, share in zip(found, weights / weights.sum(), strict=True):
        one["probability"] = share
    return found


def one_candidate(chars: Pair, start_logit: np.float32, end_logit: np.float32) -> dict[str, Any]:
    score = start_logit + end_logit
    return {"chars": chars, "score": score, "start_logit": start_logit, "end_logit": end_logit}


def decode(
    examples: list[Example],
    table: FeatureTable,
    offsets: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    *,
    n_best_size: int = 20,
    max_answer_length: int = 30,
    null_threshold: float = 0.0,
    with_null: bool = True,
) -> RunQaAnswers:
    shift = np.zeros(len(table), dtype=np.int64)
    top = keep_top_logits(starts, ends, shift, n_best_size=n_best_size)
    return decode_as_run_qa(
        examples,
        table,
        offsets,
        top,
        n_best_size=n_best_size,
        max_answer_length=max_answer_length,
        null_threshold=null_threshold,
        with_null=with_null,
    )


def assert_same_files(found: RunQaAnswers, wanted: dict[str, dict[str, Any]]) -> None:
    """To the last digit, with keys and questions in the same order."""
    for name, content in wanted.items():
        assert json.dumps(getattr(found, name), indent=4) == json.dumps(content, indent=4)


def make_table(windows: list[Window]) -> tuple[FeatureTable, np.ndarray]:
    """A table of nothing but windows, and its offsets."""
    lengths = [len(offsets) for _, offsets in windows]
    flat = [pair or (-1, -1) for _, offsets in windows for pair in offsets]
    offsets = np.array(flat, dtype=np.int32).reshape(-1, 2)
    zeros = np.zeros(len(windows), dtype=np.int32)
    table = FeatureTable(
        input_ids=np.zeros(len(flat), dtype=np.int32),
        row_offsets=np.cumsum([0, *lengths]),
        token_type_ids=None,
        offset_starts=offsets[:, 0],
        offset_ends=offsets[:, 1],
        example_index=np.array([owner for owner, _ in windows], dtype=np.int32),
        cls_position=zeros,
        start_positions=zeros,
        end_positions=zeros,
        cut_questions=zeros[:0],
    )
    return table, offsets


def windows_of(table: FeatureTable, offsets: np.ndarray) -> list[Window]:
    rows = np.split(offsets, table.row_offsets[1:-1])
    return [
        (owner, [None if pair[0] < 0 else tuple(pair) for pair in row.tolist()])
        for owner, row in zip(table.example_index.tolist(), rows, strict=True)
    ]


def draw_logits(seed: int, shape: tuple[int, int], ties: str) -> tuple[np.ndarray, np.ndarray]:
    """(windows, padded length) twice; many, some or no ties."""
    logits = np.random.default_rng(seed).normal(-5.0, 3.0, (2, *shape)).astype(np.float32)
    if ties != "none":
        logits = np.round(logits * (4 if ties == "some" else 0.5)) / np.float32(4)
    return logits[0].astype(np.float32), logits[1].astype(np.float32)


@pytest.mark.parametrize("ties", ["none", "some", "many"])
@pytest.mark.parametrize("with_null", [True, False])
def test_files_of_real_windows_are_the_plain_references(
    tokenizer: PreTrainedTokenizerBase, ties: str, with_null: bool
) -> None:
    examples = almanac("validation")[:14]
    table = build_features(examples, tokenizer, max_seq_length=80, doc_stride=24)
    offsets = read_raw_offsets(examples, table, tokenizer, doc_stride=24)
    starts, ends = draw_logits(3, (len(table), 80), ties)
    assert len(table) > len(examples)
    options: dict[str, Any] = {"with_null": with_null, "null_threshold": 2.5}
    found = decode(examples, table, offsets, starts, ends, **options)
    wanted = plain_run_qa(examples, windows_of(table, offsets), starts, ends, **options)
    assert_same_files(found, wanted)
    assert bool(found.null_odds) is with_null


@pytest.mark.parametrize("ties", ["some", "many"])
def test_long_rows_break_ties_as_numpy_does_there(bert: PreTrainedTokenizerBase, ties: str) -> None:
    """An unstable sort's ties hang on the length of what it sorts."""
    examples = almanac("validation")[:30]
    table = build_features(examples, bert, max_seq_length=384, doc_stride=128)
    offsets = read_raw_offsets(examples, table, bert, doc_stride=128)
    starts, ends = draw_logits(5, (len(table), 384), ties)
    starts[:, 150:], ends[:, 150:] = starts[:, 150:] - 9, ends[:, 150:] - 9  # padding is unlikely
    found = decode(examples, table, offsets, starts, ends)
    wanted = plain_run_qa(examples, windows_of(table, offsets), starts, ends)
    assert_same_files(found, wanted)
    assert any(found.predictions.values())


TOKEN = st.none() | st.tuples(st.integers(0, 4), st.integers(0, 6)).map(
    lambda pair: (pair[0], pair[0] + pair[1])
)
WINDOWS = st.lists(st.lists(TOKEN, min_size=1, max_size=6), min_size=2, max_size=5)


@given(
    tokens=WINDOWS,
    seed=st.integers(0, 99),
    n_best_size=st.integers(1, 7),
    max_answer_length=st.integers(1, 4),
    null_threshold=st.sampled_from([-3.0, 0.0, 0.75]),
    with_null=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_files_of_any_windows_are_the_plain_references(
    tokens: list[list[Pair | None]], seed: int, with_null: bool, **options: Any
) -> None:
    examples = [Example(name, "", CONTEXT, "?") for name in ("q1", "q2")]
    windows = [(0, tokens[0]), *((1, offsets) for offsets in tokens[1:])]
    table, offsets = make_table(windows)
    starts, ends = draw_logits(seed, (len(windows), 7), "many")
    try:
        wanted = plain_run_qa(examples, windows, starts, ends, with_null=with_null, **options)
    except IndexError:  # run_qa stops: several candidates and no text among them
        wanted = None
    found = decode(examples, table, offsets, starts, ends, with_null=with_null, **options)
    if wanted is not None:
        assert_same_files(found, wanted)


def decode_one(tokens: list[Pair | None], starts: list[float], **options: Any) -> RunQaAnswers:
    """One window of CONTEXT; its end logits are its start logits."""
    table, offsets = make_table([(0, tokens)])
    logits = np.array([starts], dtype=np.float32)
    return decode([Example("q", "", CONTEXT, "?")], table, offsets, logits, logits, **options)


def test_where_no_span_is_legal_the_answer_is_the_word_empty() -> None:
    found = decode_one([None, None], [-1.0, 5.0])
    assert found.predictions == {"q": "empty"}
    assert found.null_odds == {"q": -2.0}
    assert [entry["text"] for entry in found.nbest["q"]] == ["empty", ""]
    assert list(found.nbest["q"][0]) == ["text", "start_logit", "end_logit", "probability"]
    without = decode_one([None, None], [-1.0, 5.0], with_null=False)
    assert without.predictions == {"q": "empty"}
    assert without.nbest["q"][0]["probability"] == 1.0


def test_several_candidates_without_a_text_are_answered_so_too() -> None:
    found = decode_one([None, (4, 4)], [-1.0, 5.0])
    assert found.predictions == {"q": "empty"}
    assert [entry["text"] for entry in found.nbest["q"]] == ["empty", "", ""]


def test_a_span_of_two_windows_is_listed_twice() -> None:
    windows: list[Window] = [(0, [None, (0, 3)]), (0, [None, (0, 3)])]
    table, offsets = make_table(windows)
    logits = np.array([[0.0, 2.0], [-1.0, 3.0]], dtype=np.float32)
    found = decode([Example("q", "", CONTEXT, "?")], table, offsets, logits, logits)
    assert [entry["text"] for entry in found.nbest["q"]] == ["Zoë", "Zoë", ""]
    assert found.nbest["q"][2]["start_logit"] == -1.0, "the smaller of the two"


def test_padding_takes_a_place_among_the_highest() -> None:
    found = decode_one([None, (0, 3), (4, 7)], [0.0, 2.0, 1.0, 9.0], n_best_size=2)
    assert [entry["text"] for entry in found.nbest["q"]] == ["Zoë", ""]


def test_decoding_does_not_hang_on_how_many_features_are_looked_at_together(
    bert: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = almanac("validation")[:9]
    table = build_features(examples, bert, max_seq_length=64, doc_stride=16)
    offsets = read_raw_offsets(examples, table, bert, doc_stride=16)
    starts, ends = draw_logits(0, (len(table), 64), "some")
    whole = decode(examples, table, offsets, starts, ends)
    monkeypatch.setattr("qarank.squad.compat_run_qa.FEATURES_PER_BLOCK", 4)
    assert decode(examples, table, offsets, starts, ends) == whole
