"""How contexts are cut into windows, and which tokens an answer covers: arithmetic only.

Dims: num_examples; num_features: windows over all examples; num_tokens: over all contexts.
Source: transformers' run_qa.py. Differs: a question too long for the window is cut, not an error.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qarank.errors import DataError
from qarank.squad.ragged import row_offsets_of

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class WindowPlan:
    """The windows of all examples: example order, and left to right within an example.

    Attributes:
        example_index: (num_features,) which example.
        window_starts: (num_features,) first context token of the window.
        window_lengths: (num_features,) context tokens in it.
        question_lengths: (num_examples,) question tokens kept.
        cut_questions: (num_cut,) examples whose question was too long.
    """

    example_index: Ints
    window_starts: Ints
    window_lengths: Ints
    question_lengths: Ints
    cut_questions: Ints


def plan_windows(
    question_lengths: Ints,
    context_lengths: Ints,
    *,
    max_seq_length: int,
    doc_stride: int,
    num_special: int,
) -> WindowPlan:
    """Cut every context into windows that overlap by doc_stride tokens.

    Args:
        question_lengths: (num_examples,) tokens.
        context_lengths: (num_examples,) tokens.
        max_seq_length: tokens of a feature at most, special ones included.
        doc_stride: tokens two neighbouring windows share.
        num_special: special tokens of a feature.

    Returns:
        At least one window an example.

    Raises:
        DataError: doc_stride leaves no room for a question and a step.
    """
    largest_question = max_seq_length - num_special - doc_stride - 1
    if doc_stride < 0 or largest_question < 1:
        _refuse_lengths(max_seq_length, doc_stride, num_special)
    kept = np.minimum(question_lengths, largest_question)
    room = max_seq_length - num_special - kept  # (num_examples,)
    step = room - doc_stride
    overflow = np.maximum(context_lengths - room, 0)
    num_windows = 1 + (overflow + step - 1) // step
    example_index = np.repeat(np.arange(len(kept)), num_windows)  # (num_features,)
    first = row_offsets_of(num_windows)[:-1]
    number = np.arange(len(example_index)) - first[example_index]  # 0, 1, ... in each example
    starts = number * step[example_index]
    return WindowPlan(
        example_index=example_index,
        window_starts=starts,
        window_lengths=np.minimum(room[example_index], context_lengths[example_index] - starts),
        question_lengths=kept,
        cut_questions=np.flatnonzero(question_lengths > kept),
    )


def _refuse_lengths(max_seq_length: int, doc_stride: int, num_special: int) -> None:
    largest = max_seq_length - num_special - 2
    if largest < 0:
        raise DataError(
            f"data.max_seq_length is {max_seq_length}; with {num_special} special tokens,"
            f" a question and a context it must be at least {num_special + 2}"
        )
    raise DataError(
        f"data.doc_stride is {doc_stride}; with data.max_seq_length {max_seq_length} and"
        f" {num_special} special tokens it may be 0..{largest}"
    )


def find_answer_tokens(
    token_starts: Ints, token_ends: Ints, answer_starts: Ints, answer_ends: Ints
) -> tuple[Ints, Ints]:
    """First and last token of each answer, as run_qa chooses them.

    All four count characters over all contexts laid end to end, at least one character apart, so
    that an answer outside every context, at -1 of its own, gets no token of its context.

    Args:
        token_starts: (num_tokens,) in text order.
        token_ends: (num_tokens,) the first character after each token.
        answer_starts: (num_examples,).
        answer_ends: (num_examples,) the first character after each answer.

    Returns:
        The last token that begins at or before the answer, and the first that ends at or after
        it: (num_examples,) each, -1 or num_tokens where there is none. Where several tokens share
        the answer's one character (its bytes in byte-level BPE), the second is before the first.

    Source: run_qa.py.
    """
    # A normaliser that reorders marks can swap two neighbours; a search needs them sorted.
    starts = np.maximum.accumulate(token_starts)
    ends = np.maximum.accumulate(token_ends)
    first = np.searchsorted(starts, answer_starts, side="right") - 1
    last = np.searchsorted(ends, answer_ends, side="left")
    return first, last


def clip_answers(
    first: Ints, last: Ints, window_lengths: Ints
) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """What windows hold of the answers that find_answer_tokens found.

    Args:
        first: (num_features,) counted from the window's first token.
        last: (num_features,) likewise.
        window_lengths: (num_features,) tokens.

    Returns:
        Start and end token, start <= end, and whether the window holds every character of the
        answer: (num_features,) each. Only there do start and end mean anything.

    Source: run_qa.py. Differs: of tokens that share the answer's one character its rule gives a
        start after the end; here the two change places.
    """
    holds = (first >= 0) & (last < window_lengths)
    # The edge of a window may part the bytes of a character: those on this side stand for it.
    first, last = np.minimum(first, window_lengths - 1), np.maximum(last, 0)
    return np.minimum(first, last), np.maximum(first, last), holds
