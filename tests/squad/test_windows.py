import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.errors import DataError
from qarank.squad.windows import clip_answers, find_answer_tokens, plan_windows

SETTINGS = st.tuples(st.integers(6, 40), st.integers(0, 20)).filter(
    lambda pair: pair[0] - 3 - pair[1] - 1 >= 1
)


@given(
    pairs=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 120)), min_size=1, max_size=8),
    settings=SETTINGS,
)
def test_windows_cover_the_context_share_doc_stride_tokens_and_fit(
    pairs: list[tuple[int, int]], settings: tuple[int, int]
) -> None:
    max_seq_length, doc_stride = settings
    questions, contexts = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    plan = plan_windows(
        questions, contexts, max_seq_length=max_seq_length, doc_stride=doc_stride, num_special=3
    )
    assert sorted(set(plan.example_index.tolist())) == list(range(len(pairs)))
    for example, (question, context) in enumerate(pairs):
        mine = plan.example_index == example
        starts = plan.window_starts[mine].tolist()
        ends = (plan.window_starts + plan.window_lengths)[mine].tolist()
        kept = int(plan.question_lengths[example])
        assert (kept < question) == (example in plan.cut_questions)
        assert (starts[0], ends[-1]) == (0, context)
        assert (plan.window_lengths[mine] + kept + 3 <= max_seq_length).all()
        assert all(ends[i] - starts[i + 1] == doc_stride for i in range(len(starts) - 1))
        assert all(start < end for start, end in zip(starts[1:], ends[1:], strict=True))


@pytest.mark.parametrize(
    ("max_seq_length", "doc_stride", "message"),
    [
        (384, 380, "data.doc_stride is 380; with .*384 and 3 special tokens it may be 0..379$"),
        (384, -1, "data.doc_stride is -1; .* it may be 0..379$"),
        (4, 0, "data.max_seq_length is 4; .* it must be at least 5$"),
    ],
)
def test_lengths_that_leave_no_room_are_told_with_what_is_allowed(
    max_seq_length: int, doc_stride: int, message: str
) -> None:
    one = np.array([5], dtype=np.int64)
    with pytest.raises(DataError, match=message):
        plan_windows(one, one, max_seq_length=max_seq_length, doc_stride=doc_stride, num_special=3)


def test_the_largest_doc_stride_allowed_is_taken() -> None:
    one = np.array([5], dtype=np.int64)
    plan = plan_windows(one, one * 10, max_seq_length=384, doc_stride=379, num_special=3)
    assert plan.question_lengths.tolist() == [1]


def slow_windows(question: int, context: int, room: int, doc_stride: int) -> list[tuple[int, int]]:
    """First token and end of each window, cut one by one."""
    room -= question
    windows = [(0, min(room, context))]
    while windows[-1][1] < context:
        start = windows[-1][1] - doc_stride
        windows.append((start, min(start + room, context)))
    return windows


@given(
    pairs=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 120)), min_size=1, max_size=8),
    settings=SETTINGS,
    num_special=st.integers(0, 3),
)
def test_windows_are_those_cut_one_by_one(
    pairs: list[tuple[int, int]], settings: tuple[int, int], num_special: int
) -> None:
    max_seq_length, doc_stride = settings
    room = max_seq_length - num_special
    questions, contexts = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    sizes = {"max_seq_length": max_seq_length, "doc_stride": doc_stride}
    plan = plan_windows(questions, contexts, **sizes, num_special=num_special)
    wanted = [
        (number, *window)
        for number, (question, context) in enumerate(pairs)
        for window in slow_windows(min(question, room - doc_stride - 1), context, room, doc_stride)
    ]
    ends = plan.window_starts + plan.window_lengths
    columns = (plan.example_index.tolist(), plan.window_starts.tolist(), ends.tolist())
    assert list(zip(*columns, strict=True)) == wanted


def find(tokens: list[tuple[int, int]], answer: tuple[int, int]) -> tuple[int, int]:
    starts, ends = (np.array(side, dtype=np.int64) for side in zip(*tokens, strict=True))
    first, last = find_answer_tokens(starts, ends, np.array(answer[:1]), np.array(answer[1:]))
    return int(first[0]), int(last[0])


WORDS = [(0, 3), (4, 9), (9, 11), (14, 20)]


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [((4, 9), (1, 1)), ((4, 11), (1, 2)), ((5, 8), (1, 1)), ((0, 20), (0, 3)), ((10, 15), (2, 3))],
)
def test_an_answer_gets_the_tokens_that_hold_it(
    answer: tuple[int, int], tokens: tuple[int, int]
) -> None:
    assert find(WORDS, answer) == tokens


def clip(first: int, last: int, length: int) -> tuple[int, int, bool]:
    start, end, holds = clip_answers(*(np.array([each]) for each in (first, last, length)))
    return int(start[0]), int(end[0]), bool(holds[0])


def test_the_bytes_of_one_character_are_all_its_tokens() -> None:
    first, last = find([(0, 3), (4, 5), (4, 5), (4, 5), (6, 9)], (4, 5))
    assert clip(first, last, 5) == (1, 3, True)


@pytest.mark.parametrize(
    ("start", "length", "tokens"), [(0, 2, (1, 1)), (1, 2, (0, 1)), (2, 1, (0, 0)), (3, 2, (0, 0))]
)
def test_of_a_character_that_a_window_parts_its_bytes_on_this_side_are_the_answer(
    start: int, length: int, tokens: tuple[int, int]
) -> None:
    first, last = find([(0, 3), (4, 5), (4, 5), (4, 5), (6, 9)], (4, 5))
    assert clip(first - start, last - start, length) == (*tokens, True)


@pytest.mark.parametrize(("first", "last"), [(-1, 1), (2, 4), (-1, -1), (4, 4), (-2, 9)])
def test_a_window_that_lacks_a_character_of_the_answer_does_not_hold_it(
    first: int, last: int
) -> None:
    assert not clip(first, last, 4)[2]


def test_no_answer_has_no_token() -> None:
    assert find(WORDS, (-1, -1))[0] == -1
