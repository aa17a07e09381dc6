"""The optimizer and its learning rate."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

import torch
from torch import nn

Schedule = Literal["linear", "constant"]


def build_optimizer(
    parameters: Iterable[nn.Parameter],
    *,
    learning_rate: float,
    weight_decay: float,
    ratios: Mapping[nn.Parameter, float] = MappingProxyType({}),
) -> torch.optim.Optimizer:
    """AdamW with torch's betas and epsilon, in fused kernels.

    Args:
        parameters: those that train.
        learning_rate: of those that `ratios` does not name.
        weight_decay: a step, times a parameter's learning rate.
        ratios: what a parameter's learning rate is a multiple of the others' by; each group of the
            optimizer keeps its own as `ratio`.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in parameters:
        groups.setdefault(ratios.get(parameter, 1.0), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": members, "lr": learning_rate * ratio, "ratio": ratio}
            for ratio, members in groups.items()
        ],
        weight_decay=weight_decay,
        fused=True,
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
