"""Scores triplets at random: the control of any claim that scores matter.

Drawn once a run from U(0, 1): each round keeps a part of what the round before kept, so no triplet
comes back. A triplet's draw is its score per cost, so that the order is as random where triplets
cost differently; where they cost the same, what is kept is, at each budget, a uniformly random set
of that size.

Dims: total: the sum of r over the matrices.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


class RandomScorer:
    """A `TripletScorer` whose scores mean nothing.

    Args:
        costs: (total,) of each triplet, on the CPU.
        seed: of the draw, the same on every process.
    """

    is_ready = True

    def __init__(self, costs: Tensor, *, seed: int) -> None:
        # A generator of its own: neither weights nor dropout change with it.
        generator = torch.Generator().manual_seed(seed)
        self.scores = costs * torch.rand(len(costs), dtype=torch.float64, generator=generator)

    def update(self) -> None:
        """Nothing to learn."""

    def triplet_scores(self) -> Tensor:
        """(total,) float64 on the CPU, the same at every round."""
        return self.scores

    def state_dict(self) -> dict[str, Tensor]:
        """The scores themselves, so that a resumed run needs no equal generator."""
        return {"random_scores": self.scores}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self.scores = state["random_scores"].clone()
