"""Which triplets stay: the best of all matrices together, within one budget.

Dims: total: the sum of r over the matrices; num_matrices.
Source: arXiv:2303.10512, section 3.2, which keeps the b triplets of highest score. Added: a budget
in parameters, where what counts is score per parameter, and a least and a largest rank.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qarank.errors import AllocationError, NonFiniteError


@dataclass(frozen=True)
class Selection:
    """One decision.

    Attributes:
        keep: (total,) bool.
        threshold: the largest score cut, divided by its triplet's cost; None where nothing is cut.
        margin: the smallest such score kept, less the threshold: how clear the decision was. Below
            0 where a least or largest rank, or a triplet that did not fit, overrode the scores;
            None where nothing is cut, or nothing kept.
    """

    keep: Tensor
    threshold: float | None
    margin: float | None


@dataclass(frozen=True)
class Pool:
    """The triplets that compete, matrix by matrix, and what keeping one takes from the budget.

    Attributes:
        sizes: (num_matrices,) triplets of each matrix.
        costs: (num_matrices,) of one triplet of it: 1, or its parameters.
        min_rank: triplets that every matrix keeps, whatever they score.
        max_rank: triplets that a matrix keeps at most; None: all.
    """

    sizes: tuple[int, ...]
    costs: tuple[int, ...]
    min_rank: int = 0
    max_rank: int | None = None

    @property
    def total(self) -> int:
        """Triplets of all matrices."""
        return sum(self.sizes)

    @property
    def whole_cost(self) -> int:
        """Of all triplets."""
        return sum(size * cost for size, cost in zip(self.sizes, self.costs, strict=True))

    @property
    def least_cost(self) -> int:
        """Of the triplets that are always kept."""
        return sum(
            self.floor(size) * cost for size, cost in zip(self.sizes, self.costs, strict=True)
        )

    @property
    def largest_cost(self) -> int:
        """Of as many triplets as may be kept."""
        return sum(
            self.ceiling(size) * cost for size, cost in zip(self.sizes, self.costs, strict=True)
        )

    def floor(self, size: int) -> int:
        """Triplets that a matrix of so many always keeps."""
        return min(size, self.min_rank)

    def ceiling(self, size: int) -> int:
        """Triplets that a matrix of so many keeps at most."""
        return size if self.max_rank is None else min(size, self.max_rank)

    def triplet_costs(self) -> Tensor:
        """(total,) int64, of each triplet."""
        return torch.repeat_interleave(torch.tensor(self.costs), torch.tensor(self.sizes))

    def spend(self, ranks: Sequence[int]) -> int:
        """What a rank for each matrix costs in all."""
        return sum(rank * cost for rank, cost in zip(ranks, self.costs, strict=True))

    def is_full(self, ranks: Sequence[int], budget: int) -> bool:
        """Whether these ranks cost no more than the budget, and no further triplet would fit."""
        left = budget - self.spend(ranks)
        open_costs = [
            cost
            for rank, size, cost in zip(ranks, self.sizes, self.costs, strict=True)
            if rank < self.ceiling(size)
        ]
        return left >= 0 and all(cost > left for cost in open_costs)


def select_triplets(scores: Tensor, budget: int, pool: Pool) -> Selection:
    """Keep each matrix's best min_rank triplets, then the best of all while the budget lasts.

    Best is the highest score per cost; ties go to the earlier matrix, then the earlier triplet. A
    triplet that no longer fits is passed over for the next one that does, so that what is left of
    the budget is too little for any.

    Args:
        scores: (total,) float64 in the order (matrix, triplet), higher is better.
        budget: what the kept may cost, 0 or more; more than they all cost keeps all that may stay.
        pool: whose they are.

    Raises:
        AllocationError: the budget is negative, or too small for min_rank.
        NonFiniteError: a score is not finite.
    """
    if budget < pool.least_cost or budget < 0:
        raise AllocationError(f"budget is {budget}; at least {pool.least_cost} is needed")
    if not bool(torch.isfinite(scores).all()):
        raise NonFiniteError("a triplet's score is not finite: no rank pattern can be chosen")
    worth = scores.cpu() / pool.triplet_costs()  # on the CPU: the same order on every device
    order = worth.argsort(descending=True, stable=True).tolist()
    kept = list(_walk(order, budget, pool))
    keep = torch.zeros(pool.total, dtype=torch.bool)
    keep[kept] = True
    threshold = float(worth[~keep].max()) if not bool(keep.all()) else None
    margin = None if threshold is None or not kept else float(worth[keep].min()) - threshold
    return Selection(keep.to(scores.device), threshold, margin)


def _walk(order: Sequence[int], budget: int, pool: Pool) -> Iterator[int]:
    """The triplets to keep, of all from best to worst."""
    matrix_of = [matrix for matrix, size in enumerate(pool.sizes) for _ in range(size)]
    ranks = [0] * len(pool.sizes)
    rest = []
    left = budget
    for triplet in order:  # what every matrix keeps comes first
        matrix = matrix_of[triplet]
        if ranks[matrix] < pool.floor(pool.sizes[matrix]):
            ranks[matrix] += 1
            left -= pool.costs[matrix]
            yield triplet
        else:
            rest.append(triplet)
    for triplet in rest:
        matrix = matrix_of[triplet]
        if pool.costs[matrix] <= left and ranks[matrix] < pool.ceiling(pool.sizes[matrix]):
            ranks[matrix] += 1
            left -= pool.costs[matrix]
            yield triplet


def hash_mask(mask: Tensor) -> str:
    """16 hex digits of a (total,) bool mask."""
    return hashlib.sha256(mask.cpu().numpy().tobytes()).hexdigest()[:16]
