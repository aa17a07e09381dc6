"""Lowers the total rank in training, round by round, whatever scores the triplets.

Dims: total: the sum of r over the matrices.
Source: arXiv:2303.10512, sections 3.2 and 3.3. Differs from the released code: exactly the budget
is kept, ties included; a skipped step is not scored; evaluation sees the masked pattern.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from qarank.adapters.layer import AdaptedLinear
from qarank.errors import NoOpError
from qarank.ranks.protocol import AllocationRound, TripletScorer
from qarank.ranks.schedule import BudgetSchedule
from qarank.ranks.selection import Pool, hash_mask, select_triplets


class RankAllocator:
    """An `Allocator` by rounds.

    Args:
        layers: path -> adapter, in the order ties are resolved.
        schedule: budgets and rounds.
        scorer: of the triplets.
        pool: of the same layers; None counts each triplet as 1.
        on_round: told of each round, after it took effect.
    """

    def __init__(
        self,
        layers: Mapping[str, AdaptedLinear],
        *,
        schedule: BudgetSchedule,
        scorer: TripletScorer,
        pool: Pool | None = None,
        on_round: Callable[[AllocationRound], None] = lambda _: None,
    ) -> None:
        self.layers, self.schedule, self.scorer = layers, schedule, scorer
        sizes = tuple(layer.r for layer in layers.values())
        self.pool = pool or Pool(sizes, costs=(1,) * len(sizes))
        self.on_round = on_round
        self.num_rounds = 0

    def before_training(self) -> None:
        """Every triplet takes part."""

    def after_optimizer_step(self, global_step: int, *, skipped: bool) -> None:
        """Score with this step's gradients, then choose if a round is due.

        A skipped step has no gradients worth scoring: a round due then uses the old averages.
        """
        if not skipped and self.schedule.is_scored(global_step):
            self.scorer.update()
        if self.schedule.is_round(global_step):
            self._choose(global_step)
        elif self.schedule.is_fixed(global_step):
            for layer in self.layers.values():
                layer.cut_masked()

    def mask(self) -> Tensor:
        """(total,) bool, the pattern in force."""
        return torch.cat([layer.rank_mask for layer in self.layers.values()])

    def state_dict(self) -> dict[str, Tensor]:
        """The scorer's state, mask and the count of rounds."""
        rounds = torch.tensor(self.num_rounds)
        return {**self.scorer.state_dict(), "mask": self.mask(), "num_rounds": rounds}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them back; E and B come with the layers' own weights."""
        self.scorer.load_state_dict(state)
        self.num_rounds = int(state["num_rounds"])
        for layer, keep in zip(self.layers.values(), self._split(state["mask"]), strict=True):
            layer.rank_mask.copy_(keep)

    def _choose(self, global_step: int) -> None:
        budget = self.schedule.budget_at(global_step)
        before = self.mask()
        is_cutting = min(budget, self.pool.largest_cost) < self.pool.whole_cost
        scores = self.scorer.triplet_scores()
        # A step of rate 0, the first of a warm-up, leaves doublets at 0 and scores them so.
        if is_cutting and not (self.scorer.is_ready and scores.any()):
            raise NoOpError(
                f"step {global_step}: triplets are to be cut, but none has a score above 0 yet"
            )
        selection = select_triplets(scores, budget, self.pool)
        keep = selection.keep.to(before.device)
        pieces = self._split(keep)
        for layer, piece in zip(self.layers.values(), pieces, strict=True):
            layer.keep_triplets(piece)
        self.num_rounds += 1
        counts = torch.stack([piece.sum() for piece in pieces]).tolist()
        self.on_round(
            AllocationRound(
                global_step=global_step,
                budget=budget,
                threshold=selection.threshold,
                ranks=dict(zip(self.layers, counts, strict=True)),
                revived=int((keep & ~before).sum()),
                mask_hash=hash_mask(keep),
                margin=selection.margin,
            )
        )

    def _split(self, flat: Tensor) -> tuple[Tensor, ...]:
        return torch.split(flat, [layer.r for layer in self.layers.values()])
