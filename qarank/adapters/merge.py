"""Folds adapters into dense weights."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from qarank.adapters.layer import AdaptedLinear


@torch.no_grad()
def folded_weight(layer: AdaptedLinear) -> Tensor:
    """W + Delta W, (out_features, in_features), added in float32 and cast back to W's dtype."""
    weight = layer.base_layer.weight
    return (weight.float() + layer.delta_weight()).to(weight.dtype)


@torch.no_grad()
def merge_adapters(model: nn.Module, layers: Mapping[str, AdaptedLinear]) -> None:
    """Replace each adapter by its own base linear with the update folded in, in place."""
    for path, layer in layers.items():
        linear = layer.base_layer
        linear.weight.copy_(folded_weight(layer))
        parent_path, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent_path), name, linear)
