"""LoRA's adapter (`frd`): Delta W = alpha / r * lora_B @ lora_A.

Dims: in_features, out_features: the wrapped linear; r: doublets at the start.
Source: arXiv:2106.09685, section 4.1. Pruning its doublets is "Prune LoRA" of arXiv:2303.10512.
"""

import math

import torch
from torch import Tensor, nn

from qarank.adapters.layer import AdaptedLinear, PlainLoRA


class LoRALinear(AdaptedLinear):
    """A frozen linear plus r doublets; see AdaptedLinear for the arguments."""

    def __init__(
        self, base_layer: nn.Linear, *, r: int, alpha: float, dropout: float = 0.0
    ) -> None:
        super().__init__(base_layer, r=r, alpha=alpha, dropout=dropout)
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B)  # zero: training starts at the base
        self.register_parameter("lora_E", None)

    @torch.no_grad()
    def set_update(self, update: PlainLoRA) -> None:
        """Become this update, of any rank from 1 on, all of it kept."""
        device = self.lora_A.device
        self.r, self.alpha = update.lora_A.shape[0], update.alpha
        self.scaling = self.alpha / self.r
        self.lora_A = nn.Parameter(update.lora_A.to(device))
        self.lora_B = nn.Parameter(update.lora_B.to(device))
        self.rank_mask = torch.ones(self.r, dtype=torch.bool, device=device)
        self._trained_rank = self.r

    def raw_factors(self) -> tuple[Tensor, Tensor]:
        """The two matrices as they are."""
        return self.lora_A, self.lora_B

    def masked_factors(self) -> tuple[Tensor, Tensor]:
        """The masked columns of B at zero."""
        return self.lora_A, self.lora_B * self.rank_mask

    @torch.no_grad()
    def cut_masked(self) -> None:
        """Zero column i of B; A_i stays, so that B_i has a gradient and may regrow."""
        self.lora_B.mul_(self.rank_mask)
