"""A recipe's examples and features."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from transformers import PreTrainedTokenizerBase

from qarank.config.data_schema import DataConfig
from qarank.config.schema import Recipe
from qarank.errors import DataError
from qarank.squad.columns import USUAL, Columns
from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable
from qarank.squad.features import load_or_build_features
from qarank.squad.holdout import hold_out, require_both_kinds
from qarank.squad.loaded_data import LoadedData, list_notes
from qarank.squad.source_names import file_stem, is_file_name
from qarank.squad.sources import load_data

LOG = logging.getLogger("qarank")


class Lengths(Protocol):
    """How contexts are cut into windows: a recipe's data section says, and a model's manner."""

    @property
    def max_seq_length(self) -> int:
        """Tokens of a window, at most."""

    @property
    def doc_stride(self) -> int:
        """Tokens two windows share."""


@dataclass(frozen=True)
class Part:
    """Training or evaluation data, ready.

    Attributes:
        label: short name, as in eval/<checkpoint>/<label>.
        data: the examples, and what reading them brought up.
        table: their features.
        was_cached: whether the features had been built before.
    """

    label: str
    data: LoadedData
    table: FeatureTable
    was_cached: bool

    @property
    def examples(self) -> list[Example]:
        """In their order."""
        return self.data.examples


def features_cache_dir() -> Path:
    """Where features are kept: QARANK_CACHE, else the user's cache folder."""
    named = os.environ.get("QARANK_CACHE")
    if named:
        return Path(named) / "features"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "qarank" / "features"


def load_train_parts(
    recipe: Recipe, tokenizer: PreTrainedTokenizerBase, *, keep_faults: bool = False
) -> tuple[Part, Part | None]:
    """The training examples, a random share if max_train_examples says so, and their features.

    Args:
        recipe: as asked.
        tokenizer: the model's.
        keep_faults: leave out records that are wrong, and note them; else the first is an error.

    Returns:
        What is trained on, and what is held out of it to tune the threshold on; None where nothing
        is.

    Raises:
        DataError: what is held out says nothing of a threshold.
    """
    source, split = recipe.data.train_location
    limit = recipe.data.max_train_examples
    columns = Columns(recipe.data.column_mapping)
    data = load_data(
        source, split, columns=columns, limit=limit, seed=recipe.seed, keep_faults=keep_faults
    )
    label, share = label_data(source, split), recipe.data.threshold_share
    if not share:
        return _with_features(label, data, recipe.data, tokenizer), None
    kept, held = hold_out(data, share, seed=recipe.seed)
    require_both_kinds(held.examples, share=share)
    train = _with_features(label, kept, recipe.data, tokenizer)
    return train, _with_features(f"{label}-threshold", held, recipe.data, tokenizer)


def load_validation_part(
    recipe: Recipe, tokenizer: PreTrainedTokenizerBase, *, keep_faults: bool = False
) -> Part | None:
    """The evaluation examples and their features; None where the recipe names none.

    Args:
        recipe: as asked.
        tokenizer: the model's.
        keep_faults: as in `load_train_parts`.
    """
    location = recipe.data.validation_location
    if location is None:
        return None
    limit = recipe.data.max_eval_examples
    columns = Columns(recipe.data.column_mapping)
    data = load_data(*location, columns=columns, limit=limit, keep_faults=keep_faults)
    return _with_features(label_data(*location), data, recipe.data, tokenizer)


def load_evaluation_part(
    source: str | list[str],
    split: str,
    *,
    lengths: Lengths,
    tokenizer: PreTrainedTokenizerBase,
    columns: Columns = USUAL,
    limit: int | None = None,
) -> Part:
    """Evaluation examples from any source, the first `limit` of them, and features."""
    data = load_data(source, split, columns=columns, limit=limit)
    return _with_features(label_data(source, split), data, lengths, tokenizer)


def label_data(source: str | list[str], split: str) -> str:
    """A name that can be a folder's: `squad_v2_eval` of a file, `squad_v2-validation` of a split.

    Several files are named by the first.
    """
    first = source if isinstance(source, str) else source[0]
    if is_file_name(first):
        return file_stem(first)
    return f"{first.removeprefix('sample:').replace('/', '_')}-{split}"


def tell_notes(part: Part) -> None:
    """Say what reading a part brought up, a line each."""
    for line in list_notes(part.data):
        LOG.info("%s: %s", part.label, line)


def check_columns_used(data: DataConfig, parts: Sequence["Part"]) -> None:
    """Refuse names of columns that none of the data has any use for.

    Raises:
        DataError: all of it is SQuAD's nested JSON.
    """
    if data.column_mapping and not any(part.data.is_mapped for part in parts):
        raise DataError(
            f"{' and '.join(part.label for part in parts)}: SQuAD's nested JSON, whose names are "
            "its own, so data.columns names nothing; leave it out"
        )


def check_answerable(data: DataConfig, part: "Part") -> None:
    """Refuse unanswerable questions where the recipe says that there are none.

    Raises:
        DataError: names how many there are.
    """
    count = sum(example.is_impossible for example in part.examples)
    if data.version_2_with_negative is False and count:
        raise DataError(
            f"data.version_2_with_negative is false, but {count:,} of the {len(part.examples):,} "
            f"questions of {part.label} have no answer; leave it out, or leave them out"
        )


def allows_no_answer(data: DataConfig, *parts: Sequence[Example]) -> bool:
    """Whether "no answer" is an answer: as the recipe says, else as the examples show."""
    if data.version_2_with_negative != "auto":
        return data.version_2_with_negative
    return any(example.is_impossible for examples in parts for example in examples)


def _with_features(
    label: str, data: LoadedData, lengths: Lengths, tokenizer: PreTrainedTokenizerBase
) -> Part:
    table, was_cached = load_or_build_features(
        data.examples,
        tokenizer,
        max_seq_length=lengths.max_seq_length,
        doc_stride=lengths.doc_stride,
        cache_dir=features_cache_dir(),
    )
    return Part(label, data, table, was_cached)
