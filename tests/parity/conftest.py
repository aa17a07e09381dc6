"""The small BERT that both sides train, and what of PEFT's warnings is PEFT's own."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForQuestionAnswering

HERE = Path(__file__).parent
PEFTS_OWN = (
    "ignore:Adapter 'default'",
    "ignore:.*is_gradient_checkpointing.*:FutureWarning",  # a name that transformers has changed
    "ignore:The following rank_pattern keys:RuntimeWarning",  # of AdaLoRA's, in its LoRA's eyes
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What PEFT does to itself is no failure of a test in this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            for line in PEFTS_OWN:
                item.add_marker(pytest.mark.filterwarnings(line))


@pytest.fixture
def build_bert() -> Callable[..., nn.Module]:
    """Makes it: two layers, no dropout, the same weights at every call.

    Keyword arguments change its configuration.
    """

    def build(**changes: int) -> nn.Module:
        torch.manual_seed(5)
        usual = {
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 24,
            "vocab_size": 40,
            "max_position_embeddings": 16,
        }
        dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        return BertForQuestionAnswering(BertConfig(**(usual | changes), **dropout))

    return build


@pytest.fixture
def read_logits() -> Callable[[nn.Module, dict[str, Tensor]], Tensor]:
    """What a model answers in eval mode, (2, batch, seq): start and end."""

    @torch.no_grad()
    def read(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        output = model.eval()(**batch)
        return torch.stack([output.start_logits, output.end_logits])

    return read
