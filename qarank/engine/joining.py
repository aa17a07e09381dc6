"""How a process of a run finds the others, and which device is its own."""

import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]  # there, unlisted
from torch.distributed.rendezvous import rendezvous

from qarank.engine.distributed import (
    ALONE,
    POLL_S,
    WAIT_S,
    WAIT_VARIABLE,
    Processes,
    reaching_others,
)
from qarank.engine.environment import World
from qarank.errors import LaunchError, LostProcessError


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
        launchers, _, _ = next(rendezvous("env://", timeout=timeout))
        store = meet(launchers, world, wait_s=wait_s)
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


def meet(store: Store, world: World, *, wait_s: float) -> Store:
    """A part of the launcher's store for the processes of this start alone.

    A launcher that starts processes anew keeps its store, and in it the addresses of the lost ones.
    So each process says hello by a word never said before, and the main one answers with the
    group's.

    Args:
        store: of the launcher.
        world: this process's place.
        wait_s: seconds to wait for another process.

    Raises:
        LostProcessError: a process does not come.
        RuntimeError: the store is gone, or the main process does not answer.
    """
    own = uuid.uuid4().hex
    if world.is_main:
        for rank in range(1, world.world_size):
            _answer(store, rank, own, wait_s=wait_s)
        return PrefixStore(own, store)
    store.set(f"hello/{world.global_rank}", own)
    group = store.get(f"answer/{own}").decode()  # waits until it is there
    store.set(f"understood/{group}/{world.global_rank}", "")
    return PrefixStore(group, store)


def _answer(store: Store, rank: int, group: str, *, wait_s: float) -> None:
    """Answer what a process says until it has understood: its first word may be a lost one's."""
    deadline = time.monotonic() + wait_s
    while not store.check([f"understood/{group}/{rank}"]):
        if time.monotonic() > deadline:
            raise LostProcessError(
                f"process {rank} did not come within {wait_s:.0f} s; "
                f"{WAIT_VARIABLE} sets how long it may take"
            )
        if store.check([f"hello/{rank}"]):
            store.set(f"answer/{store.get(f'hello/{rank}').decode()}", group)
        time.sleep(POLL_S)


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
    if world.local_world_size > torch.cuda.device_count():  # so that the main one tells it
        raise LaunchError(
            f"{world.local_world_size} processes find {torch.cuda.device_count()} GPUs on this "
            "machine; start at most one process a GPU"
        )
    return torch.device("cuda", world.local_rank)
