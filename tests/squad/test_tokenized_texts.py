import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from qarank.errors import ModelError
from qarank.squad import tokenized_texts
from qarank.squad.tokenized_texts import (
    IS_SPACE,
    copy_backend,
    number_distinct,
    tokenize_ids,
    tokenize_texts,
    trim_white_space,
)


@given(
    texts=st.lists(st.text(st.sampled_from("ab \t\n\u00a0\u3000😀"), max_size=9), max_size=4),
    data=st.data(),
)
def test_trimmed_offsets_are_those_of_a_walk_over_the_characters(
    texts: list[str], data: st.DataObject
) -> None:
    tokens = []
    for number, text in enumerate(texts):
        cuts = data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=6).map(sorted))
        tokens += [(number, *span) for span in zip(cuts[::2], cuts[1::2], strict=False)]
    lengths = np.array([sum(n == number for n, _, _ in tokens) for number in range(len(texts))])
    starts = np.array([start for _, start, _ in tokens], dtype=np.int32)
    ends = np.array([end for _, _, end in tokens], dtype=np.int32)
    trimmed = trim_white_space(texts, lengths.astype(np.int64), starts, ends)
    walked = [walk(texts[number], start, end) for number, start, end in tokens]
    assert list(zip(*(column.tolist() for column in trimmed), strict=True)) == walked


def walk(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def test_every_white_space_of_unicode_is_in_the_table() -> None:
    assert [chr(code).isspace() for code in range(len(IS_SPACE) - 1)] == IS_SPACE[:-1].tolist()
    assert not any(chr(code).isspace() for code in range(len(IS_SPACE) - 1, 0x110000))


def test_texts_are_numbered_by_first_appearance() -> None:
    distinct, numbers = number_distinct(["b", "a", "b", "c"])
    assert distinct == ["b", "a", "c"]
    assert numbers.tolist() == [0, 1, 0, 2]


def test_batches_of_texts_join_without_a_seam(
    bert: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["the mason", "", "a town by the river", " who ", "x"]
    backend = copy_backend(bert)
    whole = tokenize_texts(backend, texts)
    monkeypatch.setattr(tokenized_texts, "TEXTS_PER_CALL", 2)
    parts = tokenize_texts(backend, texts)
    for name in ("ids", "row_offsets", "starts", "ends"):
        assert getattr(whole, name).tolist() == getattr(parts, name).tolist()
    for tokenize in (tokenize_texts, tokenize_ids):
        assert tokenize(backend, []).row_offsets.tolist() == [0]
        assert tokenize(backend, texts).ids.tolist() == whole.ids.tolist()


def test_without_offsets_the_tokens_are_the_same(tokenizer: PreTrainedTokenizerBase) -> None:
    texts = ["", "  Zoë  naïve 中文字 e\u0301\u0323 😀 ", "the <s> [SEP] mason", "\u200b\x00\n"]
    backend = copy_backend(tokenizer)
    ids, placed = tokenize_ids(backend, texts), tokenize_texts(backend, texts)
    assert ids.ids.tolist() == placed.ids.tolist()
    assert ids.row_offsets.tolist() == placed.row_offsets.tolist()


def test_a_sentence_piece_token_does_not_own_the_space_before_it(
    make_tokenizer: object,
) -> None:
    texts = tokenize_texts(copy_backend(make_tokenizer("deberta")), ["who  is it "])
    spans = set(zip(texts.starts.tolist(), texts.ends.tolist(), strict=True))
    words = {"who  is it "[start:end] for start, end in spans}
    assert words and not any(word.strip() != word for word in words)


def test_the_copy_cuts_and_pads_no_more(bert: PreTrainedTokenizerBase) -> None:
    cutting = copy.deepcopy(bert)
    cutting.backend_tokenizer.enable_truncation(4)
    cutting.backend_tokenizer.enable_padding(length=9)
    texts = tokenize_texts(copy_backend(cutting), ["the mason of the town by the river"])
    assert texts.lengths.tolist() == [len(bert.tokenize("the mason of the town by the river"))]


def test_the_copy_splits_special_tokens_where_the_tokenizer_says_so(
    bert: PreTrainedTokenizerBase,
) -> None:
    splitting = copy.deepcopy(bert)
    splitting.split_special_tokens = True
    whole, split = (
        tokenize_texts(copy_backend(each), ["[SEP]"]).lengths.tolist() for each in (bert, splitting)
    )
    assert (whole, split[0] > 1) == ([1], True)


def test_a_slow_tokenizer_is_refused_in_one_line() -> None:
    with pytest.raises(ModelError, match="object is a slow tokenizer: .* needs a fast one"):
        copy_backend(object())
