import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qarank.squad.examples import Example
from qarank.squad.postprocess import Decoded, decode_predictions
from qarank.squad.spans import TopSpans, top_spans

NO = -math.inf
Span = tuple[int, int, float]  # start token, end token, score


@dataclass(frozen=True)
class Table:
    """A hand-made table."""

    row_offsets: npt.NDArray[np.int64]
    offset_starts: npt.NDArray[np.int32]
    offset_ends: npt.NDArray[np.int32]
    example_index: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.example_index)


def make_table(windows: list[tuple[int, list[tuple[int, int]]]]) -> Table:
    """From (example, its tokens' character offsets) per feature."""
    lengths = [len(offsets) for _, offsets in windows]
    flat = np.array([pair for _, offsets in windows for pair in offsets], dtype=np.int32)
    flat = flat.reshape(-1, 2)
    return Table(
        row_offsets=np.cumsum([0, *lengths]),
        offset_starts=flat[:, 0],
        offset_ends=flat[:, 1],
        example_index=np.array([example for example, _ in windows], dtype=np.int32),
    )


def make_spans(rows: list[list[Span]], null: list[float]) -> TopSpans:
    k = max([1, *map(len, rows)])
    filled = torch.tensor([row + [(0, 0, NO)] * (k - len(row)) for row in rows]).reshape(-1, k, 3)
    return TopSpans(
        start=filled[:, :, 0].long(),
        end=filled[:, :, 1].long(),
        score=filled[:, :, 2].float(),
        null_score=torch.tensor(null, dtype=torch.float32),
    )


def make_example(name: str, context: str) -> Example:
    return Example(id=name, title="", context=context, question="?")


CONTEXT = "Zoë ate 東京 ramen"  # code points: Zoë 0-3, ate 4-7, 東京 8-10, ramen 11-16
TOKENS = [(-1, -1), (0, 3), (4, 7), (8, 10), (11, 16)]
ONE = [make_example("q", CONTEXT)]


def decode_one(
    spans: TopSpans, *, table: Table | None = None, n_best_size: int = 5, **options: float
) -> Decoded:
    return decode_predictions(
        ONE,
        table or make_table([(0, TOKENS)]),
        spans,
        n_best_size=n_best_size,
        null_threshold=options.get("null_threshold", 0.0),
        with_null=bool(options.get("with_null", True)),
    )


def test_the_answer_is_the_contexts_own_text_in_code_points() -> None:
    found = decode_one(make_spans([[(3, 4, 2.0), (1, 1, 1.0)]], [0.0]))
    assert found.predictions == {"q": "東京 ramen"}
    assert [row["text"] for row in found.nbest["q"]] == ["東京 ramen", "Zoë", ""]
    assert [(row["start"], row["end"]) for row in found.nbest["q"]] == [(8, 16), (0, 3), (-1, -1)]


def test_windows_of_an_example_share_a_span_at_its_larger_score() -> None:
    table = make_table([(0, TOKENS), (0, [(-1, -1), (8, 10), (11, 16)])])
    spans = make_spans([[(3, 3, 1.0), (1, 1, 0.5)], [(1, 1, 3.0), (2, 2, 0.0)]], [0.0, 0.0])
    found = decode_one(spans, table=table, with_null=False)
    assert [(row["text"], row["score"]) for row in found.nbest["q"]] == [
        ("東京", 3.0),
        ("Zoë", 0.5),
        ("ramen", 0.0),
    ]
    assert sum(row["probability"] for row in found.nbest["q"]) == pytest.approx(1.0)


def test_the_null_score_is_the_smallest_over_the_windows() -> None:
    table = make_table([(0, TOKENS), (0, TOKENS)])
    found = decode_one(make_spans([[(1, 1, 2.0)], [(1, 1, 1.0)]], [9.0, 1.5]), table=table)
    assert found.null_odds == {"q": -0.5}
    assert found.predictions == {"q": "Zoë"}


@pytest.mark.parametrize(
    ("threshold", "answer"), [(-1.0, ""), (0.49, ""), (0.5, "Zoë"), (math.inf, "Zoë")]
)
def test_there_is_no_answer_only_above_the_threshold(threshold: float, answer: str) -> None:
    found = decode_one(make_spans([[(1, 1, 2.0)]], [2.5]), null_threshold=threshold)
    assert found.predictions == {"q": answer}
    assert found.answers == {"q": "Zoë"}
    assert found.null_odds == {"q": 0.5}


def test_without_null_its_score_plays_no_part() -> None:
    found = decode_one(make_spans([[(1, 1, 2.0)]], [99.0]), with_null=False)
    assert found.predictions == {"q": "Zoë"}
    assert found.null_odds == {}
    assert found.nbest["q"] == [
        {"text": "Zoë", "probability": 1.0, "start": 0, "end": 3, "score": 2.0}
    ]


def test_ties_go_to_the_lower_start_then_the_lower_end() -> None:
    spans = make_spans([[(2, 3, 1.0), (3, 3, 1.0), (1, 4, 1.0), (1, 2, 1.0)]], [1.0])
    found = decode_one(spans)
    texts = [row["text"] for row in found.nbest["q"]]
    assert texts == ["Zoë ate", CONTEXT, "ate 東京", "東京", ""]
    assert found.predictions == {"q": "Zoë ate"}  # a tie with "no answer" is answered


def test_no_answer_stays_in_the_n_best_however_low_it_is() -> None:
    spans = make_spans([[(1, 1, 3.0), (2, 2, 2.0), (3, 3, 1.0)]], [-5.0])
    assert [row["text"] for row in decode_one(spans, n_best_size=2).nbest["q"]] == [
        "Zoë",
        "ate",
        "",
    ]


@pytest.mark.parametrize("with_null", [True, False])
def test_an_example_without_a_legal_span_is_answered_with_nothing(with_null: bool) -> None:
    found = decode_one(make_spans([[]], [-7.0]), with_null=with_null)
    assert found.predictions == found.answers == {"q": ""}
    assert found.null_odds == ({"q": -7.0} if with_null else {})
    wanted = {"text": "", "probability": 1.0, "start": -1, "end": -1}
    assert found.nbest["q"] == [{**wanted, "score": -7.0 if with_null else 0.0}]


@pytest.mark.parametrize("with_null", [True, False])
def test_examples_without_a_window_keep_their_place(with_null: bool) -> None:
    examples = [make_example(name, CONTEXT) for name in "xyz"]
    found = decode_predictions(
        examples,
        make_table([(1, TOKENS)]),
        make_spans([[(2, 2, 1.0)]], [0.0]),
        n_best_size=1,
        null_threshold=0.0,
        with_null=with_null,
    )
    assert list(found.predictions.items()) == [("x", ""), ("y", "ate"), ("z", "")]
    assert list(found.nbest) == ["x", "y", "z"]


def test_spans_off_the_context_or_of_white_space_are_not_answers() -> None:
    table = make_table([(0, [(-1, -1), (3, 3), (4, 7)])])
    found = decode_one(make_spans([[(0, 2, 9.0), (1, 1, 8.0), (2, 2, 1.0)]], [0.0]), table=table)
    assert found.predictions == {"q": "ate"}


def test_no_example_at_all_is_an_empty_answer() -> None:
    nothing = decode_predictions(
        [], make_table([]), make_spans([], []), n_best_size=2, null_threshold=0.0, with_null=True
    )
    assert nothing.predictions == nothing.nbest == nothing.null_odds == {}


def plain_decode(
    windows: list[tuple[int, list[Span]]], null: list[float], count: int, n_best_size: int
) -> list[list[tuple[float, int, int]]]:
    """By loops: each example's (score, start token, end token), "no answer" as (score, -1, -1)."""
    lists = []
    for example in range(count):
        spans: dict[tuple[int, int], float] = {}
        for index, row in windows:
            for start, end, score in row if index == example else []:
                spans[start, end] = max(score, spans.get((start, end), NO))
        ranked = sorted((-score, start, end) for (start, end), score in spans.items())
        nulls = [score for (index, _), score in zip(windows, null, strict=True) if index == example]
        entries = [(-score, start, end) for score, start, end in ranked]
        least = min(nulls)
        place = sum(score >= least for score, _, _ in entries)  # a tie stands before it
        entries.insert(place, (least, -1, -1))
        lists.append(
            [entry for at, entry in enumerate(entries) if at < n_best_size or entry[1] < 0]
        )
    return lists


@given(data=st.data(), n_best_size=st.integers(1, 4))
def test_logits_to_answers_equals_plain_loops(data: st.DataObject, n_best_size: int) -> None:
    owners = sorted([0, 1, 2, *data.draw(st.lists(st.integers(0, 2), max_size=3))])
    logits = st.lists(st.integers(-2, 2), min_size=5, max_size=5)
    grids = [
        torch.tensor([data.draw(logits) for _ in owners], dtype=torch.float32) for _ in range(2)
    ]
    context = torch.tensor([False, True, True, True, True]).expand(len(owners), -1)
    cls_position = torch.zeros(len(owners), dtype=torch.int64)
    spans = top_spans(*grids, context, cls_position, k=n_best_size, max_answer_length=2)
    examples = [make_example(name, CONTEXT) for name in "xyz"]
    found = decode_predictions(
        examples,
        make_table([(owner, TOKENS) for owner in owners]),
        spans,
        n_best_size=n_best_size,
        null_threshold=0.0,
        with_null=True,
    )
    pairs = [(s, e) for s in range(1, 5) for e in (s, s + 1) if e < 5]
    windows = [
        (owner, [(s, e, float(grids[0][row, s] + grids[1][row, e])) for s, e in pairs])
        for row, owner in enumerate(owners)
    ]
    null = [float(grids[0][row, 0] + grids[1][row, 0]) for row in range(len(owners))]
    for example, wanted in zip("xyz", plain_decode(windows, null, 3, n_best_size), strict=True):
        entries = found.nbest[example]
        assert [entry["score"] for entry in entries] == [score for score, _, _ in wanted]
        assert [entry["start"] for entry in entries] == [
            TOKENS[start][0] if start > 0 else -1 for _, start, _ in wanted
        ]
        assert [entry["end"] for entry in entries] == [
            TOKENS[end][1] if end > 0 else -1 for _, _, end in wanted
        ]
