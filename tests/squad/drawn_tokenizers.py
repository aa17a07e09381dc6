"""Tokenizers drawn at random, and texts that such tokenizers find hard.

Any normaliser, any way to split words, any of four kinds of vocabulary, any special tokens around
and between the two texts of a pair, padding on either side.
"""

from typing import Any

from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

WORDS = ["the", "mason", "of", "town", "Zoë", "naïve", "it's", "1902", "e\u0301\u0323", "12€"]
ODD = [
    *[
        "👩‍👩‍👧",
        "🇩🇪",
        "👍🏽",
        "中文字",
        "שָׁלוֹם",
        "مرحبا",
        "한국",
        "\u1112\u1161\u11ab",
        "ﬁ",
        "İ",
        "ǅ",
        "ß",
    ],
    *["\u200b", "\u200f", "\u00a0", "\u3000", "\u2028", "\x00", "\ufeff", "\u0301", "\ud7ff"],
    *["\r\n", "\n", "\t", "\x85", "\x1c", "--", "''", "▁", "Ġ", "##", "[S]", "</s>", "(x)"],
]
SPECIALS = ["<s>", "</s>", "[C]", "[S]", "[U]"]
TEXTS = st.lists(
    st.sampled_from(WORDS) | st.sampled_from(ODD) | st.text(max_size=3), max_size=40
).flatmap(lambda words: st.sampled_from([" ", "  ", ""]).map(lambda joint: joint.join(words)))

NORMALIZERS = {
    "none": normalizers.Sequence([]),
    "composed": normalizers.NFC(),
    "decomposed": normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]),
    "compatible": normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]),
    "bert": normalizers.BertNormalizer(),
    "trimmed": normalizers.Sequence(
        [normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " "), normalizers.Strip(left=False)]
    ),
}
SPLITTERS = {
    "words": pre_tokenizers.Whitespace(),
    "spaces": pre_tokenizers.WhitespaceSplit(),
    "bert": pre_tokenizers.BertPreTokenizer(),
    "bytes": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "bytes_spaced": pre_tokenizers.ByteLevel(add_prefix_space=True),
    "pieces": pre_tokenizers.Metaspace(prepend_scheme="always"),
    "pieces_whole": pre_tokenizers.Metaspace(prepend_scheme="never", split=False),
    "nothing": pre_tokenizers.Sequence([]),
}


@st.composite
def drawn_tokenizers(draw: st.DrawFn) -> PreTrainedTokenizerBase:
    """A fast tokenizer that gives at least one token for any word."""
    tokenizer = Tokenizer(draw(_models()))
    tokenizer.normalizer = NORMALIZERS[draw(st.sampled_from(sorted(NORMALIZERS)))]
    tokenizer.pre_tokenizer = SPLITTERS[draw(st.sampled_from(sorted(SPLITTERS)))]
    tokenizer.add_special_tokens(SPECIALS)
    tokenizer.post_processor = draw(_post_processors(tokenizer))
    inputs = ["input_ids", "attention_mask"] + ["token_type_ids"] * draw(st.booleans())
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[U]",
        padding_side=draw(st.sampled_from(["right", "left"])),
        model_input_names=inputs,
        **draw(st.sampled_from([{}, {"cls_token": "[C]"}, {"bos_token": "<s>"}])),
    )


@st.composite
def _models(draw: st.DrawFn) -> models.Model:
    """A vocabulary of some letters and some pieces of words; the rest is unknown."""
    letters = sorted(set("".join(WORDS + ODD)) | set("▁Ġ"))
    pieces = st.lists(st.sampled_from([w[a:b] for w in WORDS for a in (0, 1) for b in (2, 3, 9)]))
    drawn = [*draw(st.lists(st.sampled_from(letters))), *filter(None, draw(pieces))]
    kind = draw(st.sampled_from(["word_piece", "byte_pairs", "unigram", "words"]))
    if kind == "unigram":
        scores = [("[U]", 0.0), *((piece, -float(len(piece))) for piece in dict.fromkeys(drawn))]
        return models.Unigram(scores, unk_id=0, byte_fallback=False)
    if kind == "word_piece":
        drawn += [f"##{piece}" for piece in drawn]
    vocab = {piece: number for number, piece in enumerate(dict.fromkeys(["[U]", *drawn]))}
    if kind == "word_piece":
        return models.WordPiece(vocab, unk_token="[U]", max_input_chars_per_word=9)
    if kind == "words":
        return models.WordLevel(vocab, unk_token="[U]")
    return _draw_byte_pairs(draw, letters)


def _draw_byte_pairs(draw: st.DrawFn, letters: list[str]) -> models.Model:
    alphabet = sorted({*letters, *pre_tokenizers.ByteLevel.alphabet()})
    vocab = {piece: number for number, piece in enumerate(["[U]", *alphabet])}
    merges: list[tuple[str, str]] = []
    for _ in range(draw(st.integers(0, 9))):
        pair = draw(st.tuples(*[st.sampled_from(sorted(vocab.keys() - {"[U]"}))] * 2))
        if "".join(pair) not in vocab:
            merges.append(pair)
            vocab["".join(pair)] = len(vocab)
    fused = draw(st.booleans())
    return models.BPE(vocab=vocab, merges=merges, unk_token="[U]", fuse_unk=fused)


@st.composite
def _post_processors(draw: st.DrawFn, tokenizer: Tokenizer) -> Any:
    gaps = st.lists(st.sampled_from(SPECIALS[:4]).flatmap(_with_type), max_size=2)
    # Other types of the texts than 0 and 1 would be lost in all windows but the first.
    pair = [*draw(gaps), "$A:0", *draw(gaps), "$B:1", *draw(gaps)]
    layout = processors.TemplateProcessing(
        single="$A", pair=pair, special_tokens=[(s, tokenizer.token_to_id(s)) for s in SPECIALS]
    )
    bytes_only = processors.ByteLevel(trim_offsets=draw(st.booleans()), add_prefix_space=False)
    both = processors.Sequence([bytes_only, layout])
    return draw(st.sampled_from([layout, bytes_only, both]))


def _with_type(token: str) -> st.SearchStrategy[str]:
    return st.integers(0, 2).map(lambda kind: f"{token}:{kind}")
