"""Gives every matrix a rank before training, and keeps it: another run's pattern, from scratch.

What a run with rounds ends with has two parts: where the ranks went, and how they came there. The
same model, trained from scratch at those ranks, says how much the first part is worth. The scale
stays alpha / r; what is cut takes no part in the loss, the penalty or the norm that is clipped.

Dims: total: the sum of r over the matrices.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from qarank.adapters.layer import AdaptedLinear
from qarank.errors import AllocationError
from qarank.ranks.protocol import AllocationRound
from qarank.ranks.selection import hash_mask


class PatternAllocator:
    """An `Allocator` with one decision, before the first step.

    Args:
        layers: path -> adapter.
        ranks: path -> the rank to train at, for each of them; its first triplets are kept.
        budget: what they cost, for the record.
        on_round: told of the decision, after it took effect.

    Raises:
        AllocationError: a rank does not fit its matrix.
    """

    def __init__(
        self,
        layers: Mapping[str, AdaptedLinear],
        ranks: Mapping[str, int],
        *,
        budget: int,
        on_round: Callable[[AllocationRound], None] = lambda _: None,
    ) -> None:
        self.layers, self.budget, self.on_round = layers, budget, on_round
        self.ranks = {path: ranks[path] for path in layers}
        self.num_rounds = 0
        for path, layer in layers.items():
            if not 0 <= self.ranks[path] <= layer.r:
                raise AllocationError(f"{path}: rank {self.ranks[path]}; 0..{layer.r} are there")

    def before_training(self) -> None:
        """Cut all but the first triplets of each matrix."""
        for path, layer in self.layers.items():
            layer.fix_rank(self.ranks[path])
        self.num_rounds = 1
        self.on_round(
            AllocationRound(
                global_step=0,
                budget=self.budget,
                threshold=None,
                ranks=dict(self.ranks),
                revived=0,
                mask_hash=hash_mask(self.mask()),
            )
        )

    def after_optimizer_step(self, global_step: int, *, skipped: bool) -> None:
        """Nothing to do: what is cut has no gradient to grow back by."""

    def mask(self) -> Tensor:
        """(total,) bool."""
        return torch.cat([layer.rank_mask for layer in self.layers.values()])

    def state_dict(self) -> dict[str, Tensor]:
        """The mask and that it was set."""
        return {"mask": self.mask(), "num_rounds": torch.tensor(self.num_rounds)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self.num_rounds = int(state["num_rounds"])
        pieces = torch.split(state["mask"], [layer.r for layer in self.layers.values()])
        for layer, keep in zip(self.layers.values(), pieces, strict=True):
            layer.fix_rank(int(keep.sum()))
