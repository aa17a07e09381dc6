from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.lora import LoRALinear
from qarank.adapters.merge import folded_weight, merge_adapters
from qarank.adapters.svd import SVDLinear

KINDS = pytest.mark.parametrize("kind", [LoRALinear, SVDLinear])


@KINDS
def test_merged_equals_unmerged_on_a_trained_reader_with_a_matrix_of_rank_zero(
    kind: type[AdaptedLinear], train_reader: Callable[..., Any]
) -> None:
    reader = train_reader(kind)
    ranks = {layer.rank for layer in reader.layers.values()}
    assert 0 in ranks and len(ranks) > 2
    before = reader.logits()
    assert (before - reader.logits(reader.build_base())).abs().max() > 0.1  # it did learn
    merge_adapters(reader.model, reader.layers)
    largest = before.abs().max().item()
    torch.testing.assert_close(reader.logits(), before, atol=1e-5 * largest, rtol=0)


@KINDS
def test_a_merged_model_is_a_plain_one_of_its_architecture(
    kind: type[AdaptedLinear], train_reader: Callable[..., Any]
) -> None:
    reader = train_reader(kind)
    before = reader.logits()
    merge_adapters(reader.model, reader.layers)
    assert not any(isinstance(module, AdaptedLinear) for module in reader.model.modules())
    plain = reader.build_base()
    plain.load_state_dict(reader.model.state_dict())  # strict: the very same names
    torch.testing.assert_close(reader.logits(plain), before)


def test_a_matrix_of_rank_zero_keeps_its_weight_bit_for_bit(
    train_reader: Callable[..., Any],
) -> None:
    reader = train_reader(SVDLinear)
    rank_0 = [layer for layer in reader.layers.values() if layer.rank == 0]
    before = [layer.weight.clone() for layer in rank_0]
    merge_adapters(reader.model, reader.layers)
    assert rank_0
    for layer, weight in zip(rank_0, before, strict=True):
        assert torch.equal(layer.base_layer.weight, weight)


@KINDS
def test_a_half_precision_weight_is_folded_in_float32_and_rounded_once(
    kind: type[AdaptedLinear],
) -> None:
    torch.manual_seed(0)
    layer = kind(nn.Linear(32, 24, dtype=torch.bfloat16), r=3, alpha=6, dropout=0.0)
    for parameter in layer.low_rank_parameters():
        nn.init.normal_(parameter, std=0.3)
    folded = folded_weight(layer)
    exact = layer.weight.double() + layer.delta_weight().double()
    assert folded.dtype == torch.bfloat16
    assert (folded != exact.bfloat16()).sum() <= 1  # float32 may round a half-way case otherwise
    rounded_twice = layer.weight + layer.delta_weight().bfloat16()
    assert not torch.equal(folded, rounded_twice)  # the other way would have been seen


def test_folding_writes_nothing() -> None:
    layer = SVDLinear(nn.Linear(4, 4), r=2, alpha=2)
    nn.init.ones_(layer.lora_E)
    before = layer.weight.clone()
    assert not torch.equal(folded_weight(layer), before)
    assert torch.equal(layer.weight, before)


def test_a_merged_linear_is_still_frozen_and_the_head_still_trains(
    train_reader: Callable[..., Any],
) -> None:
    reader = train_reader(SVDLinear)
    merge_adapters(reader.model, reader.layers)
    trains = {name for name, p in reader.model.named_parameters() if p.requires_grad}
    assert trains == {"qa_outputs.weight", "qa_outputs.bias"}
