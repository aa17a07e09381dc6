"""How an update spreads over its directions: singular values of Delta W and what they come to.

Dims: k: rank of the update; r: triplets at the start; d: in_features or out_features.
Source: effective rank after Roy and Vetterli (2007), of the squared singular values, so that it
counts directions by the energy ||Delta W||_F^2 they carry.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from qarank.adapters.layer import PlainLoRA
from qarank.adapters.orthogonality import gram_error
from qarank.adapters.truncate import singular_triplets

ENERGY_COUNTS = (1, 2, 4)  # of how many largest singular values the share is told


@dataclass(frozen=True)
class Spectrum:
    """One matrix's update.

    Attributes:
        singular_values: (k,) of Delta W, falling.
        effective_rank: exp of the entropy of the shares of energy, 0..k; 0 of no update.
        energy: count -> share of ||Delta W||_F^2 in so many largest singular values, 0..1; None
            of an update that is zero.
    """

    singular_values: list[float]
    effective_rank: float
    energy: dict[int, float | None]


def measure_spectrum(update: PlainLoRA | None) -> Spectrum:
    """The spectrum of an update; None stands for a matrix of rank 0."""
    if update is None:
        return describe_sizes(torch.zeros(0))
    return describe_sizes(singular_triplets(update)[1])


def describe_sizes(sizes: Tensor) -> Spectrum:
    """What singular values come to.

    Args:
        sizes: (k,) 0 or more, falling.
    """
    largest = sizes.max() if sizes.numel() else sizes.sum()
    if float(largest) == 0:
        return Spectrum(sizes.tolist(), 0.0, dict.fromkeys(ENERGY_COUNTS))
    energy = (sizes.double() / largest).square()  # relative: squares of tiny sizes underflow
    share = energy / energy.sum()
    effective = float(torch.special.entr(share).sum().exp())
    kept = {count: min(float(share[:count].sum()), 1.0) for count in ENERGY_COUNTS}
    return Spectrum(sizes.tolist(), effective, {**kept})


def measure_orthogonality(factors: Mapping[str, Tensor]) -> tuple[float, float]:
    """||A A^T - I||_F and ||B^T B - I||_F over all r triplets, as the svd penalty has them.

    Args:
        factors: "A", (r, in_features), and "B", (out_features, r).
    """
    rows = (factors["A"].float(), factors["B"].float().mT)  # (r, d)
    errors = [float(torch.linalg.matrix_norm(gram_error(each))) for each in rows]
    return errors[0], errors[1]
