"""What the processes of a run say to each other.

Every process trains on its share of each batch and holds the same weights; the main process alone
writes files. Small Python values travel over gloo, gradients on a GPU over nccl.
"""

import logging
import pickle
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch.distributed as dist
from torch import Tensor
from torch.distributed import Store  # type: ignore[attr-defined]  # there, unlisted

from qarank.engine.environment import World
from qarank.engine.memory import is_out_of_memory
from qarank.errors import LostProcessError, QarankError

LOG = logging.getLogger("qarank")
Value = TypeVar("Value")
WAIT_VARIABLE = "QARANK_WAIT_S"
WAIT_S = 1800.0  # for another process, before it counts as lost
NOTE_EVERY_S = 30.0
POLL_S = 0.05


class Processes:
    """All processes of a run, as one of them sees them; alone, everything here is free.

    Every method but `is_main` and `first_on_machine` is a collective: all processes call it, in the
    same order.

    Args:
        world: this process's place.
        store: shared key-value store of the launcher; None for a process alone.
        wait_s: seconds to wait for another process.
    """

    def __init__(self, world: World, store: Store | None = None, *, wait_s: float = WAIT_S) -> None:
        self.world, self.wait_s = world, wait_s
        self._store = store
        self._num_builds = 0

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes."""
        return self.world.is_main

    @property
    def is_alone(self) -> bool:
        """Whether there is no other process."""
        return self.world.world_size == 1

    def gather(self, value: Value) -> list[Value]:
        """The values of all processes, by global rank, on every process."""
        if self.is_alone:
            return [value]
        values: list[Value | None] = [None] * self.world.world_size
        with reaching_others():
            dist.all_gather_object(values, value)
        return values  # type: ignore[return-value]  # all filled

    def gather_outcomes(self, act: Callable[[], Value]) -> list[Value]:
        """Run `act` on every process and gather what it gave; an error of one is raised on all."""
        outcomes = self.gather(_attempt(act))
        for global_rank, (_, error) in enumerate(outcomes):
            if error is not None:
                error.is_told = global_rank != self.world.global_rank
                raise error
        return [value for value, _ in outcomes]  # type: ignore[misc]  # no error: a value

    def on_main(self, act: Callable[[], Value]) -> Value:
        """Run `act` on the main process alone; its value, or its error, comes to all.

        The others wait, so what takes longer than `wait_s` does not belong here.
        """
        if self.is_alone:
            return act()
        outcome = [_attempt(act) if self.is_main else None]
        with reaching_others():
            dist.broadcast_object_list(outcome, src=0)
        assert outcome[0] is not None  # the main process has sent one
        value, error = outcome[0]
        if error is not None:
            error.is_told = not self.is_main
            raise error
        return value  # type: ignore[return-value]  # no error: a value

    def sum_tensors(self, tensors: Sequence[Tensor]) -> None:
        """Add the processes' tensors up, each in place."""
        if self.is_alone:
            return
        with reaching_others():
            for work in [dist.all_reduce(tensor, async_op=True) for tensor in tensors]:
                work.wait()

    def take_from_main(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite the tensors with the main process's, in place."""
        if self.is_alone:
            return
        with reaching_others():
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def require_agreement(self, value: str, *, what: str) -> None:
        """Stop the run if a process holds another value.

        Raises:
            LostProcessError: names the processes that differ from the main one.
        """
        values = self.gather(value)
        others = [str(rank) for rank, other in enumerate(values) if other != values[0]]
        if others:
            raise LostProcessError(
                f"{what} differs between processes: {', '.join(others)} from the main process 0; "
                "every process must have the same hardware, libraries and data"
            )

    def first_on_machine(self, build: Callable[[], Value], *, what: str) -> Value:
        """Run `build` on each machine's first process, then on the machine's others.

        For what the first leaves in a cache. The others say now and then what they wait for.

        Args:
            build: gives the same on each process.
            what: is built, for messages.

        Raises:
            QarankError: the first one's, on all of the machine.
            LostProcessError: the first one took too long.
        """
        if self.world.local_world_size == 1 or self._store is None:
            return build()
        self._num_builds += 1
        first = self.world.global_rank - self.world.local_rank
        key = f"first_on_machine/{self._num_builds}/{first}"
        if self.world.local_rank == 0:
            outcome = _attempt(build)
            self._store.set(key, pickle.dumps(outcome[1]))  # type: ignore[arg-type]  # bytes do
            return _open(outcome)
        with reaching_others():
            self._wait_for(key, f"process {first} to prepare {what}")
            error = pickle.loads(self._store.get(key))
        if error is not None:
            error.is_told = True
            raise error
        return build()

    def _wait_for(self, key: str, what: str) -> None:
        assert self._store is not None  # asked by the caller
        started = noted = time.monotonic()
        while not self._store.check([key]):
            now = time.monotonic()
            if now - started > self.wait_s:
                raise LostProcessError(
                    f"process {self.world.global_rank} waited {self.wait_s:.0f} s for {what}; "
                    f"{WAIT_VARIABLE} sets how long it may"
                )
            if now - noted > NOTE_EVERY_S:
                noted = now
                rank = self.world.global_rank
                LOG.warning("process %d: waiting for %s, %.0f s so far", rank, what, now - started)
            time.sleep(POLL_S)


ALONE = Processes(World())


def _attempt(act: Callable[[], Value]) -> tuple[Value | None, QarankError | None]:
    """What `act` gives, or the error that all processes shall end with.

    An error that is no mistake of the user's is raised here, and the others learn of it by our end.
    """
    try:
        return act(), None
    except QarankError as error:
        return None, error


def _open(outcome: tuple[Value | None, QarankError | None]) -> Value:
    value, error = outcome
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # no error: a value


@contextmanager
def reaching_others() -> Iterator[None]:
    """Around what talks to other processes."""
    try:
        yield
    except RuntimeError as error:  # what torch raises for a closed connection and for a time-out
        if is_out_of_memory(error):
            raise
        reason = _shorten(str(error))
        raise LostProcessError(f"another process of this run is gone: {reason}") from error


def _shorten(message: str) -> str:
    """The library's reason without where its source lay and without its advice."""
    first = re.sub(r"^\[[^\]]*:\d+\] ", "", message.splitlines()[0])
    return first.split(". ")[0]
