"""What every adapted linear is: a frozen linear, a low-rank update, a mask over its triplets.

Dims: in_features, out_features: the wrapped linear; r: triplets at the start, never resized.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qarank.errors import AdapterError


@dataclass(frozen=True)
class PlainLoRA:
    """An update as plain LoRA holds it: Delta W = alpha / k * B @ A, for the k triplets kept.

    Attributes:
        lora_A: (k, in_features) float32.
        lora_B: (out_features, k) float32.
        alpha: the numerator of the scale; a float, since it is alpha * k / r.
    """

    lora_A: Tensor
    lora_B: Tensor
    alpha: float


class AdaptedLinear(nn.Module, ABC):
    """A frozen linear plus r triplets (or doublets) that can be switched off one by one.

    Adapter weights are float32 and are cast to the input's dtype where they are used, so a base
    in half precision needs no autocast.

    Args:
        base_layer: the pretrained linear; frozen here, its values never written.
        r: triplets to start with, 1..min(in_features, out_features).
        alpha: the update is scaled by alpha / r, whatever rank is left.
        dropout: probability of dropping an entry of the update's input, 0 <= dropout < 1.

    Raises:
        AdapterError: r does not fit the weight.
    """

    rank_mask: Tensor  # (r,) bool, True = kept
    lora_A: nn.Parameter  # (r, in_features)
    lora_B: nn.Parameter  # (out_features, r)
    lora_E: nn.Parameter | None  # (r, 1), or None for doublets

    def __init__(self, base_layer: nn.Linear, *, r: int, alpha: float, dropout: float) -> None:
        super().__init__()
        largest = min(base_layer.in_features, base_layer.out_features)
        if not 1 <= r <= largest:
            raise AdapterError(f"adapter.r is {r}; the smallest matrix allows 1..{largest}")
        self.base_layer = base_layer.requires_grad_(False)
        self.r = r
        self.alpha = alpha
        self.scaling = alpha / r
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        device = base_layer.weight.device
        self.lora_A = nn.Parameter(torch.empty(r, base_layer.in_features, device=device))
        self.lora_B = nn.Parameter(torch.empty(base_layer.out_features, r, device=device))
        self.register_buffer("rank_mask", torch.ones(r, dtype=torch.bool, device=device))
        self._trained_rank = r

    @property
    def weight(self) -> Tensor:
        """The frozen weight, (out_features, in_features); some models read it for its dtype."""
        return self.base_layer.weight

    @property
    def bias(self) -> Tensor | None:
        """The frozen bias, (out_features,), or None."""
        return self.base_layer.bias

    @property
    def in_features(self) -> int:
        """Of the wrapped linear."""
        return self.base_layer.in_features

    @property
    def out_features(self) -> int:
        """Of the wrapped linear."""
        return self.base_layer.out_features

    @property
    def rank(self) -> int:
        """Triplets kept."""
        return int(self.rank_mask.sum())

    def low_rank_parameters(self) -> list[nn.Parameter]:
        """lora_A, lora_B and, for triplets, lora_E."""
        parameters = [self.lora_A, self.lora_B]
        return parameters if self.lora_E is None else [*parameters, self.lora_E]

    def trained_rows(self) -> tuple[Tensor, Tensor]:
        """The rows of A, (k, in_features), and columns of B as rows, (k, out_features), that train.

        All r of them, unless `fix_rank` said otherwise.
        """
        k = self._trained_rank
        return self.lora_A[:k], self.lora_B.mT[:k]

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features)."""
        base: Tensor = self.base_layer(x)
        down, up = self.factors()
        coords = F.linear(self.dropout(x), (self.scaling * down).to(x.dtype))  # (..., r)
        return base + F.linear(coords, up.to(x.dtype))

    def delta_weight(self) -> Tensor:
        """The masked update as one matrix, (out_features, in_features); merging adds this."""
        down, up = self.masked_factors()
        return self.scaling * (up @ down)

    @torch.no_grad()
    def to_plain_lora(self) -> PlainLoRA:
        """The kept triplets alone, exactly the same update."""
        down, up = self.masked_factors()
        kept = self.rank_mask
        return PlainLoRA(down[kept], up[:, kept], self.alpha * self.rank / self.r)

    def factors(self) -> tuple[Tensor, Tensor]:
        """(r, in_features) and (out_features, r); masked in eval mode, not in training.

        In training too where the rank is fixed: what is cut has no gradient then.
        """
        may_regrow = self.training and self._trained_rank == self.r
        return self.raw_factors() if may_regrow else self.masked_factors()

    @torch.no_grad()
    def keep_triplets(self, keep: Tensor) -> None:
        """Set the mask, (r,) bool, and zero what it cuts; training may grow that back."""
        self.rank_mask.copy_(keep)
        self.cut_masked()

    def fix_rank(self, rank: int) -> None:
        """Keep the first `rank` triplets, 0..r, for good: the others take no part in training."""
        self._trained_rank = rank
        self.keep_triplets(torch.arange(self.r, device=self.rank_mask.device) < rank)

    @abstractmethod
    def raw_factors(self) -> tuple[Tensor, Tensor]:
        """As `factors`, without the mask."""

    @abstractmethod
    def masked_factors(self) -> tuple[Tensor, Tensor]:
        """As `factors`, with the masked triplets at zero."""

    @abstractmethod
    def cut_masked(self) -> None:
        """Zero the weights through which a masked triplet acts."""
