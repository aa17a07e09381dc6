"""The tokenizers of every family, as fixtures."""

from collections.abc import Callable

import pytest
from transformers import PreTrainedTokenizerBase

from tests.squad.families import FAMILIES, build_tokenizer


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
