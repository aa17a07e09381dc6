"""A reader that was trained, so that an adapter that does nothing cannot pass."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForQuestionAnswering

from qarank.adapters.inject import inject_adapters, linear_paths
from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.targets import WORDS, resolve_targets

HEAD = "qa_outputs"
RANK_0 = "bert.encoder.layer.1.output.dense"


@dataclass(frozen=True)
class TrainedReader:
    """A tiny BERT mid-schedule, in eval mode, what it reads, and the base it came from."""

    model: nn.Module
    layers: dict[str, AdaptedLinear]
    batch: dict[str, Tensor]
    build_base: Callable[[], nn.Module]

    @torch.no_grad()
    def logits(self, model: nn.Module | None = None) -> Tensor:
        """(2, batch, seq): of start and end."""
        output = (model or self.model).eval()(**self.batch)
        return torch.stack([output.start_logits, output.end_logits])


def build_base() -> nn.Module:
    torch.manual_seed(5)
    config = BertConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        vocab_size=40,
        max_position_embeddings=16,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return BertForQuestionAnswering(config)


@pytest.fixture
def train_reader() -> Callable[[type[AdaptedLinear]], TrainedReader]:
    """Trains adapters of a kind: ranks differ, one is 0, masked weights have regrown."""

    def train(kind: type[AdaptedLinear]) -> TrainedReader:
        model = build_base()
        paths = resolve_targets(
            linear_paths(model, outside=[HEAD]), WORDS, model_type=model.config.model_type
        )
        layers = inject_adapters(
            model,
            paths,
            head=[HEAD],
            build=lambda _, linear: kind(linear, r=4, alpha=12, dropout=0.0),
        )
        batch = {
            "input_ids": torch.randint(40, (3, 12)),
            "token_type_ids": (torch.arange(12) > 5).long().expand(3, -1),
            "attention_mask": (torch.arange(12) < torch.tensor([[12], [9], [7]])).long(),
        }
        labels = {
            "start_positions": torch.tensor([6, 7, 0]),
            "end_positions": torch.tensor([9, 8, 0]),
        }
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
        for step in range(6):
            optimizer.zero_grad()
            model(**batch, **labels).loss.backward()
            optimizer.step()
            if step == 3:
                for path, layer in layers.items():
                    layer.keep_triplets((torch.rand(4) < 0.6) & (path != RANK_0))
        return TrainedReader(model.eval(), layers, batch, build_base)

    return train
