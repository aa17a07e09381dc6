import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from qarank.errors import NonFiniteError
from qarank.squad.spans import TopSpans, top_spans

LOGITS = st.sampled_from([-2.0, -0.5, -0.0, 0.0, 0.5, 2.0]) | st.floats(-1e6, 1e6, width=32)


def plain_search(
    starts: list[float], ends: list[float], context: list[bool], k: int, max_answer_length: int
) -> list[tuple[float, int, int]]:
    """All pairs by two loops: (score, start, end), best first, ties by start, then end."""
    found = []
    for start, start_logit in enumerate(starts):
        for end, end_logit in enumerate(ends):
            if start <= end < start + max_answer_length and context[start] and context[end]:
                score = float(torch.tensor(start_logit) + torch.tensor(end_logit))
                found.append((score, start, end))
    return sorted(found, key=lambda span: (-span[0], *span[1:]))[:k]


def search(
    starts: Tensor, ends: Tensor, context: Tensor, *, k: int = 3, max_answer_length: int = 5
) -> TopSpans:
    """With CLS at token 0."""
    cls_position = torch.zeros(len(starts), dtype=torch.int32)
    return top_spans(starts, ends, context, cls_position, k=k, max_answer_length=max_answer_length)


def rows_of(spans: TopSpans) -> list[list[tuple[float, int, int]]]:
    columns = (spans.score.tolist(), spans.start.tolist(), spans.end.tolist())
    return [list(zip(*row, strict=True)) for row in zip(*columns, strict=True)]


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[list[float]], list[list[float]], list[list[bool]]]:
    batch, seq = draw(st.integers(1, 3)), draw(st.integers(1, 9))

    def grid(cells: st.SearchStrategy) -> list:  # type: ignore[type-arg]
        row = st.lists(cells, min_size=seq, max_size=seq)
        return draw(st.lists(row, min_size=batch, max_size=batch))

    return grid(LOGITS), grid(LOGITS), grid(st.booleans())


@given(logits=batches(), k=st.integers(1, 60), max_answer_length=st.integers(1, 12))
@example(logits=([[0.0] * 9], [[0.0] * 9], [[True] * 9]), k=7, max_answer_length=3)  # all tied
def test_the_search_equals_two_plain_loops(
    logits: tuple[list[list[float]], list[list[float]], list[list[bool]]],
    k: int,
    max_answer_length: int,
) -> None:
    starts, ends, context = logits
    found = search(
        torch.tensor(starts),
        torch.tensor(ends),
        torch.tensor(context),
        k=k,
        max_answer_length=max_answer_length,
    )
    assert found.score.shape == found.start.shape == found.end.shape == (len(starts), k)
    for row, *columns in zip(rows_of(found), starts, ends, context, strict=True):
        wanted = plain_search(*columns, k, max_answer_length)
        assert row == wanted + [(-math.inf, 0, 0)] * (k - len(wanted))


def test_the_search_equals_two_plain_loops_at_full_width() -> None:
    torch.manual_seed(0)
    starts, ends = torch.randn(2, 384), torch.randn(2, 384)
    context = torch.arange(384).expand(2, -1) >= 20
    found = rows_of(search(starts, ends, context, k=20, max_answer_length=30))
    for row, found_row in enumerate(found):
        columns = (starts[row].tolist(), ends[row].tolist(), context[row].tolist())
        assert found_row == plain_search(*columns, 20, 30)


def test_negative_zero_ties_with_zero() -> None:
    starts, ends = torch.tensor([[-0.0, 0.0]]), torch.tensor([[-0.0, 0.0]])
    found = search(starts, ends, torch.ones(1, 2, dtype=torch.bool), k=3)
    assert list(zip(found.start[0].tolist(), found.end[0].tolist(), strict=True)) == [
        (0, 0),
        (0, 1),
        (1, 1),
    ]


def test_the_null_score_is_read_at_each_rows_cls() -> None:
    starts, ends = torch.tensor([[1.0, 2.0, 4.0]] * 2), torch.tensor([[8.0, 16.0, 32.0]] * 2)
    none = torch.zeros(2, 3, dtype=torch.bool)
    found = top_spans(starts, ends, none, torch.tensor([0, 2]), k=1, max_answer_length=2)
    assert found.null_score.tolist() == [9.0, 36.0]


def test_half_precision_logits_are_searched_in_float32() -> None:
    starts, ends = torch.tensor([[0.0, 2048.0]]), torch.tensor([[0.0, 1.0]])
    context = torch.ones(1, 2, dtype=torch.bool)
    found = search(starts.half(), ends.half(), context, k=1)
    assert found.score.dtype == torch.float32
    assert found.score.tolist() == [[2049.0]]  # not a half


def test_a_batch_without_features_is_an_empty_answer() -> None:
    none = torch.zeros(0, 4)
    assert search(none, none, none.bool(), k=3).score.shape == (0, 3)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["start", "end", "cls"])
def test_logits_that_are_not_finite_name_their_rows(bad: float, where: str) -> None:
    starts, ends = torch.zeros(12, 4), torch.zeros(12, 4)
    context = torch.tensor([False, True, True, False]).expand(12, -1)
    broken, column = (starts, 1) if where == "start" else (ends, 2 if where == "end" else 0)
    broken[[3, 7], column] = bad
    with pytest.raises(NonFiniteError, match=r"in 2 of 12 features of the batch, rows 3, 7; only"):
        search(starts, ends, context)
    broken[:, column] = bad
    with pytest.raises(NonFiniteError, match=r"in 12 of 12 .* rows 0, 1, 2, 3, 4, 5, 6, 7, \.\.\."):
        search(starts, ends, context)


def test_logits_off_the_context_are_never_read() -> None:
    starts, ends = torch.zeros(1, 4), torch.zeros(1, 4)
    starts[0, 3] = ends[0, 3] = math.nan  # padding
    context = torch.tensor([[False, True, True, False]])
    assert rows_of(search(starts, ends, context, k=1)) == [[(0.0, 1, 1)]]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_device_finds_the_same_spans() -> None:
    torch.manual_seed(0)
    starts, ends = torch.randint(-3, 4, (2, 8, 384)).float()  # many ties
    context = torch.arange(384).expand(8, -1) >= 20
    here = search(starts, ends, context, k=20, max_answer_length=30)
    there = search(starts.cuda(), ends.cuda(), context.cuda(), k=20, max_answer_length=30)
    assert rows_of(there) == rows_of(here)
