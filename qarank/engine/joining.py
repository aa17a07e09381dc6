"""How a process of a run finds the others, and which device is its own."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore  # type: ignore[attr-defined]  # there, unlisted
from torch.distributed.rendezvous import rendezvous

from qarank.engine.distributed import (
    ALONE,
    WAIT_S,
    WAIT_VARIABLE,
    Processes,
    reaching_others,
)
from qarank.engine.environment import World
from qarank.errors import LaunchError


@contextmanager
def join_processes(world: World, device: torch.device) -> Iterator[Processes]:
    """Connect this process with the others of its run, and part from them at the end.

    Args:
        world: from read_world.
        device: this process trains on; decides between nccl and gloo.

    Raises:
        LostProcessError: the others do not come.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if world.world_size == 1:
        yield ALONE
        return
    wait_s = read_wait_s(os.environ)
    timeout = timedelta(seconds=wait_s)
    with reaching_others():
        store, _, _ = next(rendezvous("env://", timeout=timeout))
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(
            backend,
            store=PrefixStore("group", store),
            rank=world.global_rank,
            world_size=world.world_size,
            timeout=timeout,
        )
    yield Processes(world, PrefixStore("qarank", store), wait_s=wait_s)
    # After an error the others may be gone: parting would wait for them, leaving ends it.
    dist.destroy_process_group()


def read_wait_s(environment: Mapping[str, str]) -> float:
    """How long a process waits for another, in seconds.

    Raises:
        LaunchError: the variable is not a number above 0.
    """
    text = environment.get(WAIT_VARIABLE)
    if text is None:
        return WAIT_S
    if not text.isdecimal() or not int(text):
        raise LaunchError(f"{WAIT_VARIABLE} is {text!r}; a whole number of seconds is allowed")
    return float(text)


def local_device(world: World) -> torch.device:
    """The GPU of this process, by its local rank, where there is one; else the CPU.

    Raises:
        LaunchError: fewer GPUs than processes on this machine.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if world.local_rank >= torch.cuda.device_count():
        raise LaunchError(
            f"process {world.local_rank} of this machine finds {torch.cuda.device_count()} GPUs; "
            "start at most one process a GPU"
        )
    return torch.device("cuda", world.local_rank)
