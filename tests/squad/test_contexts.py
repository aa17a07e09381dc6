import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qarank.errors import DataError
from qarank.squad import contexts as module
from qarank.squad.contexts import (
    NOWHERE,
    Place,
    Question,
    cut_questions,
    join_contexts,
    locate_span,
)
from qarank.squad.feature_table import FeatureTable
from qarank.squad.postprocess import Decoded, decode_predictions
from qarank.squad.spans import TopSpans

NO = -math.inf
WORD = 3  # characters of a word and the space after it: token t of a context is "wt"
Span = tuple[int, int, float]  # first word, last word, score
Entry = tuple[str, int, int, int, float]  # text, context, start, end, score


@dataclass(frozen=True)
class Window:
    """What a model made of one window: a [CLS], then the context's words first..last."""

    question: int
    context: int
    first: int
    spans: tuple[Span, ...]
    null: float


def make_context(num_words: int) -> str:
    """The same words in each context, so that spans of two differ in nothing but their context."""
    return " ".join(f"w{word}" for word in range(num_words))


def make_table(windows: list[Window], questions: list[Question]) -> FeatureTable:
    """The features of every (question, context), as build_features would lay them out."""
    pair_of: dict[tuple[int, int], int] = {}
    for number, question in enumerate(questions):
        for context in range(len(question.contexts)):
            pair_of[number, context] = len(pair_of)
    starts, ends, lengths = [], [], []
    for window in windows:
        num_words = len(questions[window.question].contexts[window.context].split())
        places = [WORD * word for word in range(window.first, num_words)]
        starts += [-1, *places]
        ends += [-1, *(place + WORD - 1 for place in places)]
        lengths.append(1 + len(places))
    zeros = np.zeros(len(windows), dtype=np.int32)
    return FeatureTable(
        input_ids=np.zeros(len(starts), dtype=np.int32),
        row_offsets=np.cumsum([0, *lengths]),
        token_type_ids=None,
        offset_starts=np.array(starts, dtype=np.int32),
        offset_ends=np.array(ends, dtype=np.int32),
        example_index=np.array([pair_of[w.question, w.context] for w in windows], np.int32),
        cls_position=zeros,
        start_positions=zeros,
        end_positions=zeros,
        cut_questions=np.zeros(0, dtype=np.int32),
    )


def make_spans(windows: list[Window]) -> TopSpans:
    """Words as tokens of their window; a first token stands before them."""
    k = max([1, *(len(window.spans) for window in windows)])
    rows = [
        [(start - w.first + 1, end - w.first + 1, score) for start, end, score in w.spans]
        + [(0, 0, NO)] * (k - len(w.spans))
        for w in windows
    ]
    filled = torch.tensor(rows).reshape(-1, k, 3)
    return TopSpans(
        start=filled[:, :, 0].long(),
        end=filled[:, :, 1].long(),
        score=filled[:, :, 2].float(),
        null_score=torch.tensor([window.null for window in windows]),
    )


def decode(questions: list[Question], windows: list[Window], *, n_best_size: int = 20) -> Decoded:
    joined = join_contexts(questions)
    return decode_predictions(
        joined.examples,
        joined.join_windows(make_table(windows, questions)),
        make_spans(windows),
        n_best_size=n_best_size,
        null_threshold=0.0,
        with_null=True,
    )


def list_entries(question: Question, found: Decoded) -> list[Entry]:
    return [
        (row["text"], *locate_span(question, row["start"], row["end"]), row["score"])
        for row in found.nbest[question.id]
    ]


def plain_entries(question: Question, windows: list[Window], n_best_size: int) -> list[Entry]:
    """By loops over contexts: the n-best list, best first."""
    scores: dict[tuple[int, int, int], float] = {}
    for window in windows:
        for start, end, score in window.spans:
            key = (window.context, WORD * start, WORD * end + WORD - 1)
            scores[key] = max(score, scores.get(key, NO))
    ranked = sorted(scores, key=lambda key: (-scores[key], key))
    entries = [
        (question.contexts[context][start:end], context, start, end, scores[context, start, end])
        for context, start, end in ranked
    ]
    null = min(window.null for window in windows)
    place = sum(entry[4] >= null for entry in entries)
    entries.insert(place, ("", -1, -1, -1, null))
    return [entry for at, entry in enumerate(entries) if at < n_best_size or not entry[0]]


@st.composite
def draw_case(draw: st.DrawFn) -> tuple[list[Question], list[Window]]:
    questions, windows = [], []
    score = st.integers(-3, 3).map(float)
    for number in range(draw(st.integers(1, 3))):
        lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
        contexts = tuple(make_context(length) for length in lengths)
        questions.append(Question(f"q{number}", "?", contexts))
        for context, length in enumerate(lengths):
            for first in range(draw(st.integers(1, length))):
                pairs = [(s, e) for s in range(first, length) for e in range(s, length)]
                some = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=4))
                spans = tuple((start, end, draw(score)) for start, end in some)
                windows.append(Window(number, context, first, spans, draw(score)))
    return questions, windows


@given(case=draw_case(), n_best_size=st.integers(1, 5))
def test_contexts_compete_as_plain_loops_say(
    case: tuple[list[Question], list[Window]], n_best_size: int
) -> None:
    questions, windows = case
    found = decode(questions, windows, n_best_size=n_best_size)
    for number, question in enumerate(questions):
        own = [window for window in windows if window.question == number]
        wanted = plain_entries(question, own, n_best_size)
        assert list_entries(question, found) == wanted
        weights = [math.exp(entry[4]) for entry in wanted]
        chances = [row["probability"] for row in found.nbest[question.id]]
        assert chances == pytest.approx([weight / sum(weights) for weight in weights])
        all_entries = plain_entries(question, own, 1000)
        null = next(entry[4] for entry in all_entries if not entry[0])
        best = next((entry for entry in all_entries if entry[0]), ("", -1, -1, -1, 0.0))
        assert found.null_odds[question.id] == null - best[4]
        is_answered = null - best[4] <= 0
        assert found.predictions[question.id] == (best[0] if is_answered else "")


@given(case=draw_case())
def test_several_contexts_agree_with_each_alone(case: tuple[list[Question], list[Window]]) -> None:
    questions, windows = case
    together = decode(questions, windows)
    for number, question in enumerate(questions):
        bests, nulls = [], []
        for context, text in enumerate(question.contexts):
            alone = Question("alone", "?", (text,))
            own = [
                replace(window, question=0, context=0)
                for window in windows
                if (window.question, window.context) == (number, context)
            ]
            rows = list_entries(alone, decode([alone], own))
            nulls.append(next(row[4] for row in rows if not row[0]))
            bests += [(row[4], -context, row[0]) for row in rows if row[0]][:1]
        score, _, text = max(bests, default=(0.0, 0, ""), key=lambda best: best[:2])
        assert together.answers[question.id] == text
        assert together.null_odds[question.id] == min(nulls) - score


@given(case=draw_case(), data=st.data())
def test_the_order_of_contexts_matters_to_ties_alone(
    case: tuple[list[Question], list[Window]], data: st.DataObject
) -> None:
    (question, *_), windows = case
    own = [window for window in windows if window.question == 0]
    order = data.draw(st.permutations(range(len(question.contexts))))
    moved = replace(question, contexts=tuple(question.contexts[old] for old in order))
    shuffled = sorted(
        (replace(window, context=order.index(window.context)) for window in own),
        key=lambda window: window.context,
    )
    first = list_entries(question, decode([question], own, n_best_size=1000))
    then = list_entries(moved, decode([moved], shuffled, n_best_size=1000))
    back = [(text, order[context] if text else -1, *rest) for text, context, *rest in then]
    assert sorted(map(tuple, back)) == sorted(first)
    assert [entry[4] for entry in then] == [entry[4] for entry in first]


def test_equal_texts_of_two_contexts_stay_two_and_the_first_wins_a_tie() -> None:
    question = Question("q", "?", ("w0", "w0"))
    windows = [Window(0, context, 0, ((0, 0, 2.0),), -9.0) for context in (0, 1)]
    rows = list_entries(question, decode([question], windows))
    assert rows == [("w0", 0, 0, 2, 2.0), ("w0", 1, 0, 2, 2.0), ("", -1, -1, -1, -9.0)]


def test_one_context_each_is_the_table_as_it_was() -> None:
    questions = [Question("a", "?", ("w0 w1",)), Question("b", "?", ("w0",))]
    windows = [Window(0, 0, 0, (), 0.0), Window(1, 0, 0, (), 0.0)]
    table = make_table(windows, questions)
    joined = join_contexts(questions)
    assert joined.join_windows(table) is table
    assert joined.examples[0].context is questions[0].contexts[0]  # no copy


def test_a_cut_question_is_named_once() -> None:
    questions = [Question("a", "?", ("w0",)), Question("b", "?", ("w0", "w0 w1"))]
    windows = [Window(*place, 0, (), 0.0) for place in ((0, 0), (1, 0), (1, 1))]
    table = replace(make_table(windows, questions), cut_questions=np.array([1, 2], np.int32))
    assert join_contexts(questions).join_windows(table).cut_questions.tolist() == [1]


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=5), st.data())
def test_a_span_is_found_in_its_context(contexts: list[str], data: st.DataObject) -> None:
    question = Question("q", "?", tuple(contexts))
    number = data.draw(st.integers(0, len(contexts) - 1))
    start = data.draw(st.integers(0, len(contexts[number]) - 1))
    end = data.draw(st.integers(start + 1, len(contexts[number])))
    before = len("".join(contexts[:number]))
    assert locate_span(question, before + start, before + end) == Place(number, start, end)
    assert locate_span(question, -1, -1) == NOWHERE
    (joined,) = join_contexts([question]).examples
    assert joined.context[before + start : before + end] == contexts[number][start:end]


def test_contexts_that_offsets_cannot_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CHARS", 4)
    with pytest.raises(DataError, match=r"^question q has contexts of 5 characters; 4 are allowed"):
        join_contexts([Question("q", "?", ("ab", "cde"))])


@given(
    st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=3), max_size=8),
    st.integers(1, 4),
    st.integers(1, 20),
)
def test_questions_are_cut_within_both_limits(
    lengths: list[list[int]], max_questions: int, max_chars: int
) -> None:
    questions = [
        Question(str(number), "?", tuple("x" * length for length in own))
        for number, own in enumerate(lengths)
    ]
    parts = list(cut_questions(questions, max_questions=max_questions, max_chars=max_chars))
    assert [question for part in parts for question in part] == questions
    for part, following in zip(parts, [*parts, []][1:], strict=True):
        chars = sum(question.num_chars for question in part)
        assert 1 <= len(part) <= max_questions
        assert chars <= max_chars or len(part) == 1
        if following:  # as many as fit
            is_full = len(part) == max_questions
            assert is_full or chars + following[0].num_chars > max_chars
