"""The training loss of an extractive reader.

Dims: batch: features; seq: their padded length.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def span_loss(
    start_logits: Tensor,
    end_logits: Tensor,
    start_positions: Tensor,
    end_positions: Tensor,
    *,
    is_token: Tensor,
) -> Tensor:
    """Sum over the batch of each feature's loss, a float32 scalar.

    A feature's loss is the mean of two cross entropies, of its start and of its end token, as in
    transformers' question-answering heads, which then take the mean over the batch. Differs:
    padding is no place an answer could be, so that a feature's loss does not depend on what it is
    batched with.

    Args:
        start_logits: (batch, seq) float of any precision; the loss is computed in float32.
        end_logits: (batch, seq).
        start_positions: (batch,) int64, where is_token.
        end_positions: (batch,) int64, where is_token.
        is_token: (batch, seq) bool, False at padding.
    """
    pairs = ((start_logits, start_positions), (end_logits, end_positions))
    losses = [
        F.cross_entropy(
            logits.float().masked_fill(~is_token, -torch.inf), positions, reduction="sum"
        )
        for logits, positions in pairs
    ]
    return (losses[0] + losses[1]) / 2
