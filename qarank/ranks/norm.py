"""Scores a triplet by its size: |E_i| ||A_i|| ||B_i||, the Frobenius norm of its share of Delta W.

Needs no gradients. Where rows of A and columns of B are orthonormal it orders triplets as |E_i|
does, the magnitude that table 4 of arXiv:2303.10512 compares with. For doublets it is
||A_i|| ||B_i||.

Dims: total: the sum of r over the matrices; r: triplets of one matrix.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from qarank.adapters.layer import AdaptedLinear


class NormScorer:
    """A `TripletScorer` that reads the weights alone.

    Args:
        layers: path -> adapter.
    """

    def __init__(self, layers: Mapping[str, AdaptedLinear]) -> None:
        self.layers = layers

    @property
    def is_ready(self) -> bool:
        """Whether any triplet has a size: before the first step none has."""
        return bool(self.triplet_scores().any())

    def update(self) -> None:
        """Nothing to remember."""

    @torch.no_grad()
    def triplet_scores(self) -> Tensor:
        """(total,) float64: in float32 a product of three small norms may vanish."""
        return torch.cat([_norms(layer) for layer in self.layers.values()])

    def state_dict(self) -> dict[str, Tensor]:
        """Empty: the weights say it all."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Nothing to take back."""


def _norms(layer: AdaptedLinear) -> Tensor:
    """(r,) of one matrix."""
    norms: Tensor = torch.linalg.vector_norm(layer.lora_A.double(), dim=1)
    norms = norms * torch.linalg.vector_norm(layer.lora_B.double(), dim=0)
    return norms if layer.lora_E is None else norms * layer.lora_E.double().abs().flatten()
