"""Examples to features: each text tokenised once, windows and labels by array arithmetic.

Dims: num_examples; num_features: windows over all examples; num_tokens: over all features.
Source: transformers' run_qa.py, whose features these are. Differs: every context and question is
tokenised once and not once an example and window, nothing is padded, too long questions are cut.
"""

import copy
import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from qarank.errors import DataError
from qarank.squad.examples import Example
from qarank.squad.feature_assembly import assemble_features
from qarank.squad.feature_check import check_against_tokenizer
from qarank.squad.feature_lock import only_builder
from qarank.squad.feature_table import FORMAT, FeatureTable, delete_parts, read_table, write_table
from qarank.squad.pair_template import read_pair_template
from qarank.squad.tokenized_texts import copy_backend, number_distinct, tokenize_examples
from qarank.squad.windows import plan_windows


def load_or_build_features(
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_seq_length: int,
    doc_stride: int,
    cache_dir: Path,
) -> tuple[FeatureTable, bool]:
    """The features from cache_dir, built and stored there first if need be.

    Where several processes want the same ones, the first builds them and the others wait.

    Args:
        examples: (num_examples,) with unique ids.
        tokenizer: a fast one; left as it is.
        max_seq_length: tokens of a feature at most.
        doc_stride: tokens two windows share.
        cache_dir: holds <key>/features.arrow; the key covers examples, tokenizer and lengths.

    Returns:
        The table, mapped from its file, and whether it was there already.

    Raises:
        DataError, ModelError: as build_features.
        RunError: the file cannot be written.
    """
    path = features_path(
        examples,
        tokenizer,
        max_seq_length=max_seq_length,
        doc_stride=doc_stride,
        cache_dir=cache_dir,
    )
    with suppress(DataError):  # not there, or not whole: built anew
        return read_table(path), True
    with only_builder(path):
        with suppress(DataError):  # another process built it meanwhile
            return read_table(path), True
        delete_parts(path)
        table = build_features(
            examples, tokenizer, max_seq_length=max_seq_length, doc_stride=doc_stride
        )
        write_table(table, path)
    return read_table(path), False


def features_path(
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_seq_length: int,
    doc_stride: int,
    cache_dir: Path,
) -> Path:
    """The file that `load_or_build_features` keeps these features in."""
    key = cache_key(examples, tokenizer, max_seq_length=max_seq_length, doc_stride=doc_stride)
    return cache_dir / key / "features.arrow"


def cache_key(
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_seq_length: int,
    doc_stride: int,
) -> str:
    """sha256, in hex, over all that decides the features."""
    backend = copy_backend(tokenizer)
    template = read_pair_template(tokenizer, backend)
    contexts, context_of = number_distinct(example.context for example in examples)
    settings = {
        "format": FORMAT,
        "max_seq_length": max_seq_length,
        "doc_stride": doc_stride,
        "tokenizer": [type(tokenizer).__name__, backend.to_str(), asdict(template)],
        "split_special_tokens": backend.encode_special_tokens,
        "token_types": _has_token_types(tokenizer),
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(json.dumps(contexts).encode())
    rows = [
        (example.id, context, example.question, example.answers, example.answer_starts)
        for example, context in zip(examples, context_of.tolist(), strict=True)
    ]
    digest.update(json.dumps(rows).encode())
    return digest.hexdigest()


def build_features(
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_seq_length: int,
    doc_stride: int,
) -> FeatureTable:
    """Tokenise, cut into windows and label.

    Args:
        examples: (num_examples,) at least one.
        tokenizer: a fast one; left as it is. Padding on the left puts the context first.
        max_seq_length: tokens of a feature at most, special ones included.
        doc_stride: tokens two neighbouring windows of an example share.

    Returns:
        At least one feature an example, in example order, windows left to right.

    Raises:
        DataError: there are no examples, or doc_stride leaves no room.
        ModelError: the tokenizer is slow, or encodes a pair otherwise than its two texts.
    """
    builder = FeatureBuilder(tokenizer, max_seq_length=max_seq_length, doc_stride=doc_stride)
    return builder.build(examples)


class FeatureBuilder:
    """Builds features time and again with one tokenizer, which is copied once.

    Args:
        tokenizer: a fast one; left as it is.
        max_seq_length: as in `build_features`.
        doc_stride: likewise.

    Raises:
        ModelError: the tokenizer is slow.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, *, max_seq_length: int, doc_stride: int
    ) -> None:
        self.backend = copy_backend(tokenizer)
        self.template = read_pair_template(tokenizer, self.backend)
        self.with_types = _has_token_types(tokenizer)
        self.max_seq_length, self.doc_stride = max_seq_length, doc_stride
        self._own = copy.deepcopy(tokenizer)  # what is asked of it leaves its truncation behind

    def build(self, examples: Sequence[Example]) -> FeatureTable:
        """As `build_features`."""
        if not examples:
            raise DataError("there are no examples to build features of")
        lengths = {"max_seq_length": self.max_seq_length, "doc_stride": self.doc_stride}
        texts = tokenize_examples(examples, self.backend)
        plan = plan_windows(
            texts.questions.lengths[texts.question_of],
            texts.contexts.lengths[texts.context_of],
            num_special=self.template.num_special,
            **lengths,
        )
        table = assemble_features(examples, texts, plan, self.template, with_types=self.with_types)
        check_against_tokenizer(table, examples, self._own, **lengths)
        return table


def _has_token_types(tokenizer: PreTrainedTokenizerBase) -> bool:
    return "token_type_ids" in tokenizer.model_input_names
