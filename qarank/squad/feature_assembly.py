"""Lays question, context window and special tokens into flat columns, and places the labels.

Dims: num_examples; num_features; num_tokens: over all features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable
from qarank.squad.pair_template import PairTemplate
from qarank.squad.ragged import ragged_indices, row_offsets_of
from qarank.squad.tokenized_texts import ExampleTexts
from qarank.squad.windows import WindowPlan, clip_answers, find_answer_tokens

FEATURES_PER_BLOCK = 8192  # bounds the index arrays, which take more memory than the columns

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Layout:
    """Where the parts of each feature begin, in flat tokens: (num_features,) each.

    gap_at holds the three gaps of special tokens; row_offsets is (num_features + 1,).
    """

    row_offsets: Ints
    gap_at: tuple[Ints, Ints, Ints]
    question_at: Ints
    question_lengths: Ints
    context_at: Ints


def assemble_features(
    examples: Sequence[Example],
    texts: ExampleTexts,
    plan: WindowPlan,
    template: PairTemplate,
    *,
    with_types: bool,
) -> FeatureTable:
    """Fill the columns of a table.

    Args:
        examples: (num_examples,), for their first gold answers.
        texts: the examples' tokens.
        plan: the windows.
        template: special tokens and order of the pair.
        with_types: whether the model takes token types.
    """
    layout = _lay_out(plan, template)
    num_tokens = int(layout.row_offsets[-1])
    columns = {
        "input_ids": np.empty(num_tokens, dtype=np.int32),
        "offset_starts": np.full(num_tokens, -1, dtype=np.int32),
        "offset_ends": np.full(num_tokens, -1, dtype=np.int32),
    }
    types = np.empty(num_tokens, dtype=np.int8) if with_types else None
    for begin in range(0, len(plan.example_index), FEATURES_PER_BLOCK):
        block = slice(begin, begin + FEATURES_PER_BLOCK)
        _fill_texts(columns, types, block, texts, plan, layout, template)
    _fill_specials(columns["input_ids"], types, layout, template)
    cls_position = _place_cls(layout, template)
    starts, ends = _place_labels(examples, texts, plan, layout, cls_position)
    return FeatureTable(
        **columns,
        token_type_ids=types,
        row_offsets=layout.row_offsets,
        example_index=plan.example_index.astype(np.int32),
        cls_position=cls_position.astype(np.int32),
        start_positions=starts.astype(np.int32),
        end_positions=ends.astype(np.int32),
        cut_questions=plan.cut_questions.astype(np.int32),
    )


def _lay_out(plan: WindowPlan, template: PairTemplate) -> _Layout:
    questions = plan.question_lengths[plan.example_index]  # (num_features,)
    pair = (plan.window_lengths, questions)
    first, second = pair if template.context_first else pair[::-1]
    row_offsets = row_offsets_of(first + second + template.num_special)
    gap_0 = row_offsets[:-1]
    first_at = gap_0 + len(template.gaps[0])
    gap_1 = first_at + first
    second_at = gap_1 + len(template.gaps[1])
    context_at, question_at = (
        (first_at, second_at) if template.context_first else (second_at, first_at)
    )
    return _Layout(
        row_offsets, (gap_0, gap_1, second_at + second), question_at, questions, context_at
    )


def _fill_texts(
    columns: dict[str, NDArray[np.int32]],
    types: NDArray[np.int8] | None,
    block: slice,
    texts: ExampleTexts,
    plan: WindowPlan,
    layout: _Layout,
    template: PairTemplate,
) -> None:
    """Copy the question's and the window's tokens of a block of features into the columns."""
    example = plan.example_index[block]
    lengths = layout.question_lengths[block]
    there = ragged_indices(layout.question_at[block], lengths)
    here = ragged_indices(texts.questions.row_offsets[texts.question_of[example]], lengths)
    columns["input_ids"][there] = texts.questions.ids[here]
    if types is not None:
        types[there] = template.question_type
    lengths = plan.window_lengths[block]
    there = ragged_indices(layout.context_at[block], lengths)
    first = texts.contexts.row_offsets[texts.context_of[example]] + plan.window_starts[block]
    here = ragged_indices(first, lengths)
    columns["input_ids"][there] = texts.contexts.ids[here]
    columns["offset_starts"][there] = texts.contexts.starts[here]
    columns["offset_ends"][there] = texts.contexts.ends[here]
    if types is not None:
        types[there] = template.context_type


def _fill_specials(
    input_ids: NDArray[np.int32],
    types: NDArray[np.int8] | None,
    layout: _Layout,
    template: PairTemplate,
) -> None:
    for gap_at, gap in zip(layout.gap_at, template.gaps, strict=True):
        for place, special in enumerate(gap):
            input_ids[gap_at + place] = special.id
            if types is not None:
                types[gap_at + place] = special.type_id


def _place_cls(layout: _Layout, template: PairTemplate) -> Ints:
    """(num_features,) place in its feature of the token that stands for "no answer"."""
    if template.cls_place is None:
        return np.zeros(len(layout.question_at), dtype=np.int64)
    gap, place = template.cls_place
    return layout.gap_at[gap] + place - layout.row_offsets[:-1]


def _place_labels(
    examples: Sequence[Example],
    texts: ExampleTexts,
    plan: WindowPlan,
    layout: _Layout,
    cls_position: Ints,
) -> tuple[Ints, Ints]:
    """(num_features,) each: the first gold answer where a window holds all of it, else cls."""
    text_at = row_offsets_of(texts.context_chars + 1)[:-1]  # one character apart
    base = np.repeat(text_at, texts.contexts.lengths)  # (tokens of all contexts,)
    spans = np.array([first_answer_span(example) for example in examples], dtype=np.int64)
    spans += text_at[texts.context_of][:, None]  # (num_examples, 2)
    first, last = find_answer_tokens(
        texts.contexts.starts + base, texts.contexts.ends + base, spans[:, 0], spans[:, 1]
    )
    window = plan.example_index  # (num_features,)
    shift = texts.contexts.row_offsets[texts.context_of[window]] + plan.window_starts
    start, end, holds = clip_answers(
        first[window] - shift, last[window] - shift, plan.window_lengths
    )
    to_feature = layout.context_at - layout.row_offsets[:-1]
    return (
        np.where(holds, start + to_feature, cls_position),
        np.where(holds, end + to_feature, cls_position),
    )


def first_answer_span(example: Example) -> tuple[int, int]:
    """Code points of the first gold answer without white space at its ends; -1, -1 if none."""
    text = example.answers[0] if example.answers else ""
    if not text.strip():
        return -1, -1
    start = example.answer_starts[0]
    return start + len(text) - len(text.lstrip()), start + len(text.rstrip())
