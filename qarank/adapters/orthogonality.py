"""The svd penalty: how far the rows of A and the columns of B are from orthonormal.

Dims: n: matrices of one shape; r: their triplets; d: in_features or out_features.
Source: arXiv:2303.10512, equation 4, as the released code has it: the Frobenius norm unsquared, the
mean over all A and B instead of their sum.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

from qarank.adapters.layer import AdaptedLinear


def orthogonality_penalty(layers: Iterable[AdaptedLinear]) -> Tensor:
    """Mean over all A and B of ||A A^T - I||_F and ||B^T B - I||_F, a float32 scalar.

    Matrices of one shape go through one batched product.
    """
    norms = [
        torch.linalg.matrix_norm(gram_error(torch.stack(matrices)))  # (n,)
        for matrices in _rows_by_shape(layers).values()
    ]
    return torch.cat(norms).mean()


def gram_error(rows: Tensor) -> Tensor:
    """(n, r, d) -> (n, r, r): each matrix times its transpose, less the identity."""
    identity = torch.eye(rows.shape[-2], dtype=rows.dtype, device=rows.device)
    return rows @ rows.mT - identity


def _rows_by_shape(layers: Iterable[AdaptedLinear]) -> dict[torch.Size, list[Tensor]]:
    groups: dict[torch.Size, list[Tensor]] = defaultdict(list)
    for layer in layers:
        for rows in (layer.lora_A, layer.lora_B.mT):  # (r, d)
            groups[rows.shape].append(rows)
    return groups
