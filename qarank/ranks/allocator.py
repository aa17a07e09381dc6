"""Which triplets stay: one budget shared by all adapted matrices.

Dims: total: the sum of r over the matrices.
Source: arXiv:2303.10512, sections 3.2 and 3.3. Differs from the released code: exactly the budget
is kept, ties included; a skipped step is not scored; evaluation sees the masked pattern.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from qarank.adapters.layer import AdaptedLinear
from qarank.errors import AllocationError, NonFiniteError, NoOpError
from qarank.ranks.importance import ImportanceTracker
from qarank.ranks.schedule import BudgetSchedule


@dataclass(frozen=True)
class Selection:
    """One decision.

    Attributes:
        keep: (total,) bool, exactly the budget are True.
        threshold: the largest score cut; None where nothing is cut.
    """

    keep: Tensor
    threshold: float | None


@dataclass(frozen=True)
class AllocationRound:
    """What a round decided; a line of ranks.jsonl.

    Attributes:
        global_step: the step it came after.
        budget: triplets kept over all matrices.
        threshold: the largest score cut; None where nothing was cut.
        ranks: path -> triplets kept.
        revived: triplets kept now that the round before had cut.
        mask_hash: of the whole pattern; equal on every process.
    """

    global_step: int
    budget: int
    threshold: float | None
    ranks: dict[str, int]
    revived: int
    mask_hash: str


def select_triplets(scores: Tensor, budget: int) -> Selection:
    """Keep the best triplets of all matrices together.

    Args:
        scores: (total,) float64 in the order (matrix, triplet), higher is better.
        budget: triplets to keep, 0..total.

    Raises:
        AllocationError: the budget is out of range.
        NonFiniteError: a score is not finite.
    """
    if not 0 <= budget <= scores.numel():
        raise AllocationError(f"budget is {budget}; the matrices hold {scores.numel()} triplets")
    if not bool(torch.isfinite(scores).all()):
        raise NonFiniteError("a triplet's score is not finite: no rank pattern can be chosen")
    order = scores.argsort(descending=True, stable=True)  # stable: ties go to the earlier triplet
    keep = torch.zeros_like(scores, dtype=torch.bool).index_fill_(0, order[:budget], True)
    cut = order[budget:]
    return Selection(keep, float(scores[cut[0]]) if cut.numel() else None)


def hash_mask(mask: Tensor) -> str:
    """16 hex digits of a (total,) bool mask."""
    return hashlib.sha256(mask.cpu().numpy().tobytes()).hexdigest()[:16]


class RankAllocator:
    """Lowers the total rank in training; a hook of the training loop.

    Args:
        layers: path -> adapter, in the order ties are resolved.
        schedule: budgets and rounds.
        importance: the triplet scores.
        on_round: told of each round, after it took effect.
    """

    def __init__(
        self,
        layers: Mapping[str, AdaptedLinear],
        *,
        schedule: BudgetSchedule,
        importance: ImportanceTracker,
        on_round: Callable[[AllocationRound], None] = lambda _: None,
    ) -> None:
        self.layers, self.schedule, self.importance = layers, schedule, importance
        self.on_round = on_round
        self.num_rounds = 0

    def after_optimizer_step(self, global_step: int, *, skipped: bool) -> None:
        """Score with this step's gradients, then choose if a round is due.

        A skipped step has no gradients worth scoring: a round due then uses the old averages.
        """
        if not skipped and self.schedule.is_scored(global_step):
            self.importance.update()
        if self.schedule.is_round(global_step):
            self._choose(global_step)
        elif self.schedule.is_fixed(global_step):
            for layer in self.layers.values():
                layer.cut_masked()

    def mask(self) -> Tensor:
        """(total,) bool, the pattern in force."""
        return torch.cat([layer.rank_mask for layer in self.layers.values()])

    def state_dict(self) -> dict[str, Tensor]:
        """Averages, mask and the count of rounds."""
        rounds = torch.tensor(self.num_rounds)
        return {**self.importance.state_dict(), "mask": self.mask(), "num_rounds": rounds}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them back; E and B come with the layers' own weights."""
        self.importance.load_state_dict(state)
        self.num_rounds = int(state["num_rounds"])
        for layer, keep in zip(self.layers.values(), self._split(state["mask"]), strict=True):
            layer.rank_mask.copy_(keep)

    def _choose(self, global_step: int) -> None:
        budget = self.schedule.budget_at(global_step)
        before = self.mask()
        if budget < before.numel() and self.importance.num_updates == 0:
            raise NoOpError(
                f"step {global_step}: triplets are to be cut, but no step has been scored yet"
            )
        selection = select_triplets(self.importance.triplet_scores(), budget)
        pieces = self._split(selection.keep)
        for layer, keep in zip(self.layers.values(), pieces, strict=True):
            layer.keep_triplets(keep)
        self.num_rounds += 1
        counts = torch.stack([keep.sum() for keep in pieces]).tolist()
        self.on_round(
            AllocationRound(
                global_step=global_step,
                budget=budget,
                threshold=selection.threshold,
                ranks=dict(zip(self.layers, counts, strict=True)),
                revived=int((selection.keep & ~before).sum()),
                mask_hash=hash_mask(selection.keep),
            )
        )

    def _split(self, flat: Tensor) -> tuple[Tensor, ...]:
        return torch.split(flat, [layer.r for layer in self.layers.values()])
