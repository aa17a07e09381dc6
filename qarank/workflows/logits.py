"""Compares two models by their logits.

Dims: batch: features; seq: their padded length.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

# Largest difference allowed after saving, by precision: what is written is the same but for
# rounding, as of E times A and of the scale, which half precision makes coarse.
TOLERANCES = {"fp32": 1e-4, "bf16": 0.1, "fp16": 0.02}


def compute_logits(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """Start and end logits in eval mode, (2, batch, seq) float32, zero at padding."""
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        output = model(**batch)
    model.train(was_training)
    logits = torch.stack([output.start_logits, output.end_logits]).float()
    return logits * batch["attention_mask"]


def largest_difference(before: Tensor, after: Tensor) -> float:
    """Max |before - after| / max |before|."""
    return float((before - after).abs().max() / before.abs().max())
