"""The optimizer and its learning rate."""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import nn

Schedule = Literal["linear", "constant"]


def build_optimizer(
    parameters: Iterable[nn.Parameter], *, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW with torch's betas and epsilon, in one fused kernel."""
    return torch.optim.AdamW(
        list(parameters), lr=learning_rate, weight_decay=weight_decay, fused=True
    )


def learning_rate_factor(
    global_step: int, *, total_steps: int, warmup_steps: int, schedule: Schedule
) -> float:
    """The part of the peak learning rate that a step uses, 0..1.

    As transformers' schedulers: the first step of a warm-up has rate 0, and a linear schedule would
    reach 0 one step after the last.
    """
    done = global_step - 1
    if done < warmup_steps:
        return done / warmup_steps
    if schedule == "constant":
        return 1.0
    return (total_steps - done) / max(1, total_steps - warmup_steps)
