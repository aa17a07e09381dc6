"""AdaLoRA's adapter (`svd`): Delta W = alpha / r * lora_B @ diag(lora_E) @ lora_A.

Dims: in_features, out_features: the wrapped linear; r: triplets at the start.
Source: arXiv:2303.10512, section 3.1; its P, Lambda, Q are our lora_B, lora_E, lora_A.
Differs: the released code divides by r + 1e-5, we divide by r.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from qarank.adapters.layer import AdaptedLinear

INIT_STD = 0.02  # the released code's, for A and B

Init = Literal["gaussian", "orthogonal"]


class SVDLinear(AdaptedLinear):
    """A frozen linear plus r triplets.

    Args:
        base_layer, r, alpha, dropout: see AdaptedLinear.
        init: gaussian draws A and B from N(0, 0.02); orthogonal makes the rows of A and the
            columns of B orthonormal, where the penalty starts at zero.
    """

    lora_E: nn.Parameter

    def __init__(
        self,
        base_layer: nn.Linear,
        *,
        r: int,
        alpha: float,
        dropout: float = 0.0,
        init: Init = "gaussian",
    ) -> None:
        super().__init__(base_layer, r=r, alpha=alpha, dropout=dropout)
        for factor in (self.lora_A, self.lora_B):
            if init == "orthogonal":
                nn.init.orthogonal_(factor)
            else:
                nn.init.normal_(factor, std=INIT_STD)
        # zero: training starts at the base
        self.lora_E = nn.Parameter(torch.zeros(r, 1, device=base_layer.weight.device))

    def raw_factors(self) -> tuple[Tensor, Tensor]:
        """E is folded into A: a product of r x in_features entries, not of tokens x r."""
        return self.lora_A * self.lora_E, self.lora_B

    def masked_factors(self) -> tuple[Tensor, Tensor]:
        """E masked."""
        return self.lora_A * (self.lora_E * self.rank_mask.unsqueeze(1)), self.lora_B

    @torch.no_grad()
    def cut_masked(self) -> None:
        """Zero E_i; A_i and B_i stay, so that E_i has a gradient and may regrow."""
        self.lora_E.masked_fill_(~self.rank_mask.unsqueeze(1), 0.0)
