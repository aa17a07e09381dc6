"""The svd penalty: how far the rows of A and the columns of B are from orthonormal.

Dims: n: matrices of one shape; r: their triplets; d: in_features or out_features.
Source: arXiv:2303.10512, equation 4, as the released code has it: the Frobenius norm unsquared, the
mean over all A and B instead of their sum.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from qarank.adapters.layer import AdaptedLinear


def orthogonality_penalty(layers: Iterable[AdaptedLinear]) -> Tensor:
    """Mean over all A and B of ||A A^T - I||_F and ||B^T B - I||_F, a float32 scalar.

    Matrices of one shape go through one batched product. Of a matrix whose rank is fixed, the
    triplets that train; one of rank 0 counts as if it had no adapter.
    """
    return torch.cat([_norms(rows) for rows in _rows_by_shape(layers).values()]).mean()


@torch.no_grad()
def penalty_by_matrix(layers: Mapping[str, AdaptedLinear]) -> dict[str, float]:
    """What the penalty is the mean of, under the names the released code logs.

    Returns:
        for each path, in the layers' order, path.lora_A -> ||A A^T - I||_F and
        path.lora_B -> ||B^T B - I||_F.
    """
    named: dict[str, Tensor] = {}
    for path, layer in layers.items():
        named[f"{path}.lora_A"], named[f"{path}.lora_B"] = layer.trained_rows()  # (r, d)
    named = {name: rows for name, rows in named.items() if len(rows)}
    found: dict[str, float] = {}
    for shape in {rows.shape for rows in named.values()}:
        names = [name for name, rows in named.items() if rows.shape == shape]
        norms = _norms([named[name] for name in names])
        found |= zip(names, norms.tolist(), strict=True)
    return {name: found[name] for name in named}


def gram_error(rows: Tensor) -> Tensor:
    """(n, r, d) -> (n, r, r): each matrix times its transpose, less the identity."""
    identity = torch.eye(rows.shape[-2], dtype=rows.dtype, device=rows.device)
    return rows @ rows.mT - identity


def _norms(rows: list[Tensor]) -> Tensor:
    """Frobenius norms of the gram errors of n matrices of one shape, (n,)."""
    norms: Tensor = torch.linalg.matrix_norm(gram_error(torch.stack(rows)))
    return norms


def _rows_by_shape(layers: Iterable[AdaptedLinear]) -> dict[torch.Size, list[Tensor]]:
    groups: dict[torch.Size, list[Tensor]] = defaultdict(list)
    for layer in layers:
        for rows in layer.trained_rows():  # (r, d)
            if len(rows):
                groups[rows.shape].append(rows)
    return groups
