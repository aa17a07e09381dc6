"""The best update of a lower rank: Delta W's largest singular values, found from its two factors.

Dims: k: rank of the update; in_features, out_features: of its matrix.
Source: Eckart and Young (1936): no matrix of that rank is nearer in Frobenius norm.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from qarank.adapters.layer import PlainLoRA


def singular_triplets(update: PlainLoRA) -> tuple[Tensor, Tensor, Tensor]:
    """The thin SVD of Delta W = alpha / k * B A, without forming it, in float64.

    Returns:
        U (out_features, k), the singular values (k,) falling, V^T (k, in_features).
    """
    k = update.lora_A.shape[0]
    q_B, r_B = torch.linalg.qr(update.lora_B.double())  # (out_features, m), (m, k)
    q_A, r_A = torch.linalg.qr(update.lora_A.double().T)  # (in_features, m), (m, k)
    inner = update.alpha / k * r_B @ r_A.T
    u, sizes, vt = torch.linalg.svd(inner, full_matrices=False)
    return q_B @ u, sizes, vt @ q_A.T


def truncate_update(update: PlainLoRA, rank: int) -> tuple[PlainLoRA, float]:
    """The nearest update of at most this rank, its scale alpha / k = 1.

    The square root of each singular value goes to either factor.

    Args:
        update: float32 or better.
        rank: 1 or more.

    Returns:
        The update, float32, and the share of ||Delta W||_F^2 that it keeps, 0..1; 1 of nothing.
    """
    u, sizes, vt = singular_triplets(update)
    kept = min(rank, len(sizes))
    root = sizes[:kept].sqrt()
    energy = sizes.square()
    share = float(energy[:kept].sum() / energy.sum()) if float(energy.sum()) > 0 else 1.0
    lora_A, lora_B = root[:, None] * vt[:kept], u[:, :kept] * root
    return PlainLoRA(lora_A.float(), lora_B.float(), float(kept)), share


def ranks_within(spectra: Mapping[str, Tensor], budget: int) -> dict[str, int]:
    """The rank of each matrix when all of them together keep `budget` singular values.

    The largest are kept, so the updates stay as near as they can be in the sum of their squared
    Frobenius norms; ties go to the earlier matrix, then the larger value.

    Args:
        spectra: path -> singular values (k,), falling.
        budget: 0 or more; more than there are keeps them all.
    """
    values = torch.cat([*spectra.values(), torch.zeros(0)])
    matrix = torch.repeat_interleave(
        torch.arange(len(spectra)),
        torch.tensor([len(sizes) for sizes in spectra.values()], dtype=torch.int64),
    )
    kept = values.argsort(descending=True, stable=True)[:budget]
    counts = torch.bincount(matrix[kept], minlength=len(spectra)).tolist()
    return dict(zip(spectra, counts, strict=True))
