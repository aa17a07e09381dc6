"""Features the slow and plain way: what our arrays must hold, one token at a time."""

import numpy as np
from transformers import PreTrainedTokenizerBase

from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable

Window = tuple[list[int], list[int] | None, list[tuple[int, int]], tuple[int, int]]


def windows_of(table: FeatureTable, place: int) -> list[Window]:
    """The features of one example as plain lists, in table order."""
    windows = []
    for feature in np.flatnonzero(table.example_index == place).tolist():
        tokens = slice(table.row_offsets[feature], table.row_offsets[feature + 1])
        ids = table.input_ids[tokens].tolist()
        types = table.token_type_ids
        offsets = zip(table.offset_starts[tokens], table.offset_ends[tokens], strict=True)
        windows.append(
            (
                ids,
                None if types is None else types[tokens].tolist(),
                [(int(start), int(end)) for start, end in offsets],
                (int(table.start_positions[feature]), int(table.end_positions[feature])),
            )
        )
    return windows


def slow_windows(
    example: Example, tokenizer: PreTrainedTokenizerBase, *, max_seq_length: int, doc_stride: int
) -> list[Window]:
    """The tokenizer's own pair encoding, and run_qa's labels, one token at a time."""
    on_left = tokenizer.padding_side == "left"
    pair = (example.question.lstrip(), example.context)
    encoded = tokenizer(
        [pair[::-1] if on_left else pair],
        truncation="only_first" if on_left else "only_second",
        max_length=max_seq_length,
        stride=doc_stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    windows = []
    for number, ids in enumerate(encoded["input_ids"]):
        texts = encoded.sequence_ids(number)
        offsets = [
            trim(example.context, *span) if text == (0 if on_left else 1) else (-1, -1)
            for text, span in zip(texts, encoded["offset_mapping"][number], strict=True)
        ]
        types = encoded["token_type_ids"][number] if "token_type_ids" in encoded else None
        cls = find_cls(tokenizer, ids, texts)
        windows.append((ids, types, offsets, slow_label(example, offsets, cls)))
    return windows


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def find_cls(tokenizer: PreTrainedTokenizerBase, ids: list[int], texts: list[int | None]) -> int:
    """The first of the tokenizer's own tokens that is CLS, or else BOS; or else the first token."""
    own = [place for place, text in enumerate(texts) if text is None]
    for wanted in (tokenizer.cls_token_id, tokenizer.bos_token_id):
        for place in own:
            if ids[place] == wanted:
                return place
    return 0


def slow_label(example: Example, offsets: list[tuple[int, int]], cls: int) -> tuple[int, int]:
    places = [place for place, (start, _) in enumerate(offsets) if start >= 0]
    if not example.answers or not example.answers[0].strip() or not places:
        return cls, cls
    begin = example.answer_starts[0]
    begin, finish = trim(example.context, begin, begin + len(example.answers[0]))
    if offsets[places[0]][0] > begin or offsets[places[-1]][1] < finish:
        return cls, cls
    start = max(place for place in places if offsets[place][0] <= begin)
    end = min(place for place in places if offsets[place][1] >= finish)
    return min(start, end), max(start, end)
