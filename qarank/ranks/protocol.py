"""What a method of rank allocation is: a scorer of triplets, or an allocator as a whole.

A method that scores is a `TripletScorer`, and `ranks.allocator.RankAllocator` does the rest. One
that sets ranks otherwise is an `Allocator` of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class AllocationRound:
    """What a round decided; a line of ranks.jsonl.

    Attributes:
        global_step: the step it came after; 0 before training.
        budget: what the kept might cost, in the schedule's unit.
        threshold: the largest score cut, divided by its triplet's cost; None where nothing was cut,
            or nothing was scored.
        ranks: path -> triplets kept.
        revived: triplets kept now that the round before had cut.
        mask_hash: of the whole pattern; equal on every process.
        margin: the smallest score kept, divided by its triplet's cost, less the threshold; None
            where nothing was cut or kept, or nothing was scored. Older runs did not note it.
    """

    global_step: int
    budget: int
    threshold: float | None
    ranks: dict[str, int]
    revived: int
    mask_hash: str
    margin: float | None = None


class TripletScorer(Protocol):
    """How much each triplet is worth."""

    @property
    def is_ready(self) -> bool:
        """Whether there is anything to score by."""

    def update(self) -> None:
        """Learn from a step that was taken, while its gradients are still there."""

    def triplet_scores(self) -> Tensor:
        """(total,) float64 in the order (matrix, triplet), higher is better."""

    def state_dict(self) -> dict[str, Tensor]:
        """All that later scores depend on, but for the layers' own weights."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back."""


class Allocator(Protocol):
    """Decides in training which triplets stay; a hook of the training loop.

    Attributes:
        num_rounds: decisions so far.
    """

    num_rounds: int

    def before_training(self) -> None:
        """Once, before the first step of a run, and not where it goes on from a checkpoint."""

    def after_optimizer_step(self, global_step: int, *, skipped: bool) -> None:
        """After the optimizer, while gradients are still there; a skipped step moved nothing."""

    def mask(self) -> Tensor:
        """(total,) bool, the pattern in force."""

    def state_dict(self) -> dict[str, Tensor]:
        """What resuming needs, but for the layers' own weights."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back; masks with it."""
