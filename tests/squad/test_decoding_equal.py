"""Logits to answers equal trying every pair of tokens, for any tokenizer, text and padding side."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from qarank.squad.batches import collate, collate_span_mask
from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable
from qarank.squad.features import build_features
from qarank.squad.postprocess import Decoded, decode_predictions
from qarank.squad.spans import TopSpans, top_spans
from tests.squad.drawn_tokenizers import TEXTS, drawn_tokenizers
from tests.squad.plain_features import find_cls, slow_windows

ALL = 10_000  # more spans than any window here has

Spans = dict[tuple[int, int], float]  # characters -> the largest score


@dataclass(frozen=True)
class Logits:
    """Of every token of every feature, flat as the table has them; small whole numbers tie."""

    starts: Tensor
    ends: Tensor


def draw_logits(table: FeatureTable, seed: int) -> Logits:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, int(table.row_offsets[-1]))
    return Logits(*torch.randint(-3, 4, shape, generator=generator).float())


def decode(
    examples: list[Example],
    table: FeatureTable,
    logits: Logits,
    tokenizer: PreTrainedTokenizerBase,
    *,
    k: int,
    max_answer_length: int,
) -> Decoded:
    """Our way: one padded batch, NaN wherever there is no token."""
    side, every = tokenizer.padding_side, np.arange(len(table))
    padding = {"padding_side": side, "pad_to_multiple_of": 8}
    mask = collate(table, every, pad_token_id=0, labels=False, **padding)["attention_mask"].bool()
    grids = [torch.full(mask.shape, math.nan) for _ in range(2)]
    for grid, flat in zip(grids, (logits.starts, logits.ends), strict=True):
        grid[mask] = flat
    spans = top_spans(
        *grids,
        *collate_span_mask(table, every, **padding),
        k=k,
        max_answer_length=max_answer_length,
    )
    shift = mask.int().argmax(dim=1, keepdim=True) * spans.score.isfinite()
    spans = TopSpans(spans.start - shift, spans.end - shift, spans.score, spans.null_score)
    return decode_predictions(
        examples, table, spans, n_best_size=ALL, null_threshold=0.0, with_null=True
    )


def slow_decode(
    example: Example,
    rows: list[tuple[list[float], list[float]]],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_answer_length: int,
    **lengths: int,
) -> tuple[Spans, float]:
    """Each span's largest score over the windows, and the smallest null score."""
    found: Spans = {}
    null = math.inf
    windows = slow_windows(example, tokenizer, **lengths)
    for (ids, _, offsets, _), (starts, ends) in zip(windows, rows, strict=True):
        texts = [1 if start >= 0 else None for start, _ in offsets]
        cls = find_cls(tokenizer, ids, texts)
        null = min(null, starts[cls] + ends[cls])
        legal = [place for place, (start, end) in enumerate(offsets) if end > start >= 0]
        for first in legal:
            for last in legal:
                span = (offsets[first][0], offsets[last][1])
                if 0 <= last - first < max_answer_length and span[0] < span[1]:
                    score = starts[first] + ends[last]
                    found[span] = max(score, found.get(span, -math.inf))
    return found, null


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    tokenizer=drawn_tokenizers(),
    contexts=st.lists(TEXTS, min_size=1, max_size=3),
    spare=st.integers(9, 24),
    max_answer_length=st.integers(1, 12),
    seed=st.integers(0, 999),
)
def test_answers_of_any_tokenizer_are_the_best_of_all_pairs(
    tokenizer: PreTrainedTokenizerBase,
    contexts: list[str],
    spare: int,
    max_answer_length: int,
    seed: int,
) -> None:
    examples = [Example(str(at), "", context, "Who") for at, context in enumerate(contexts)]
    lengths = {
        "max_seq_length": tokenizer.num_special_tokens_to_add(pair=True) + spare,
        "doc_stride": spare // 3,
    }
    table = build_features(examples, tokenizer, **lengths)
    assume(not len(table.cut_questions))  # no tokenizer cuts a question by itself
    logits = draw_logits(table, seed)
    ours = [
        decode(examples, table, logits, tokenizer, k=k, max_answer_length=max_answer_length)
        for k in (ALL, 1)
    ]
    cuts = table.row_offsets[1:-1].tolist()
    pieces = [torch.tensor_split(flat, cuts) for flat in (logits.starts, logits.ends)]
    rows = [(starts.tolist(), ends.tolist()) for starts, ends in zip(*pieces, strict=True)]
    for place, example in enumerate(examples):
        mine = [rows[row] for row in np.flatnonzero(table.example_index == place)]
        spans, null = slow_decode(
            example, mine, tokenizer, max_answer_length=max_answer_length, **lengths
        )
        ranked = sorted((-score, *span) for span, score in spans.items())
        answers = [entry for entry in ours[0].nbest[example.id] if entry["start"] >= 0]
        assert [(-e["score"], e["start"], e["end"]) for e in answers] == ranked
        best, start, end = ranked[0] if ranked else (0.0, 0, 0)
        for found in ours:
            assert found.answers[example.id] == example.context[start:end]
            assert found.null_odds[example.id] == null + best
