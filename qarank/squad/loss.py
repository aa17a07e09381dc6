"""The training loss of an extractive reader.

Dims: batch: features; seq: their padded length.
"""

import torch.nn.functional as F
from torch import Tensor


def span_loss(
    start_logits: Tensor, end_logits: Tensor, start_positions: Tensor, end_positions: Tensor
) -> Tensor:
    """Sum over the batch of each feature's loss, a float32 scalar.

    A feature's loss is the mean of two cross entropies, of its start and of its end token, as in
    transformers' question-answering heads, which then take the mean over the batch.

    Args:
        start_logits: (batch, seq) float of any precision; the loss is computed in float32.
        end_logits: (batch, seq).
        start_positions: (batch,) int64.
        end_positions: (batch,) int64.
    """
    of_start = F.cross_entropy(start_logits.float(), start_positions, reduction="sum")
    of_end = F.cross_entropy(end_logits.float(), end_positions, reduction="sum")
    return (of_start + of_end) / 2
