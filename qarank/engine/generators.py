"""The random generators that training draws from (dropout), as tensors that can be kept."""

from collections.abc import Mapping

import torch
from torch import Tensor

STRIDE = 0x9E3779B9  # odd, so that no two processes share a seed; large, so that none is nearby


def read_generators(device: torch.device) -> dict[str, Tensor]:
    """The states of the CPU's generator and, on a GPU, the device's: uint8 vectors by name."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_generators(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Put them back. A state of a device that this run does not use is left out."""
    torch.set_rng_state(states["cpu"].cpu())
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"].cpu(), device)


def seed_process(seed: int, global_rank: int) -> None:
    """Give each process of a run a stream of its own; the first has the seed's.

    Args:
        seed: of the run, below 2**32.
        global_rank: of the process.
    """
    # Within 32 bits: the CPU's generator leaves higher ones out.
    torch.manual_seed((seed + global_rank * STRIDE) % 2**32)
