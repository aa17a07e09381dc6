"""What a command is made to suffer, by name; each is called in the child before main()."""

import atexit
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from moments import Moment, Watcher

from qarank.engine.loop import Trainer
from qarank.workflows.evaluator import Evaluator


def count_moments(path: str) -> None:
    """Write how many moments each scope of each step has, when the process ends."""
    watcher = Watcher(lambda *_: None)
    sys.settrace(watcher)

    def write() -> None:
        counts = [[*scope, count] for scope, count in watcher.counts.items()]
        Path(path).write_text(json.dumps(counts))

    atexit.register(write)


ACTS: dict[Moment, Callable[[str], None]] = {}


def act_at(moment: dict[str, Any], act: Callable[[str], None]) -> None:
    """Act at a moment, once, knowing where the code is."""
    ACTS[Moment(**moment)] = act
    sys.settrace(Watcher(lambda found, where: ACTS.pop(found, ignore)(where)))


def ignore(where: str) -> None:
    """Most moments pass."""


def kill(moment: dict[str, Any], note: str, torn: str | None = None) -> None:
    """End by SIGKILL; what was being written in the folder `torn` is left half written."""

    def die(where: str) -> None:
        Path(note).write_text(where)
        if torn is not None:
            tear(Path(torn))
        os.kill(os.getpid(), signal.SIGKILL)

    act_at(moment, die)


def tear(run_dir: Path) -> None:
    """As if killed within a write: half of a file of a checkpoint, half of a line, of a record."""
    written = [path for path in run_dir.glob("checkpoints/.*.part/**/*") if path.is_file()]
    if written:
        latest = max(written, key=lambda path: path.stat().st_mtime_ns)
        os.truncate(latest, latest.stat().st_size // 2)
        return
    logs = [run_dir / "metrics.jsonl", run_dir / "ranks.jsonl"]
    for path in [*logs, *sorted(run_dir.glob("tensorboard/*tfevents*"))[-1:]]:
        if path.exists():
            with path.open("ab") as file:
                file.write(path.read_bytes()[:20])


def send(moment: dict[str, Any], numbers: list[int]) -> None:
    """Send this process signals, one after the other, at a moment."""

    def send_all(_: str) -> None:
        for number in numbers:
            os.kill(os.getpid(), number)

    act_at(moment, send_all)


def fill_disk(moment: dict[str, Any], filler: str) -> None:
    """Leave no byte free on the filler's file system."""

    def fill(_: str) -> None:
        with open(filler, "wb", buffering=0) as file:
            size = 2**20
            while size:
                try:
                    file.write(bytes(size))
                except OSError:
                    size //= 2

    act_at(moment, fill)


def limit_file_size(moment: dict[str, Any], limit: int) -> None:
    """As a quota does: from here on no file may grow beyond so many bytes."""
    act_at(moment, lambda _: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))


def make_read_only(moment: dict[str, Any], folder: str) -> None:
    """From here on nothing may be written in a folder; it is a mount, to be undone."""

    def mount(_: str) -> None:
        subprocess.run(["mount", "--bind", folder, folder], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)

    act_at(moment, mount)


def nan_loss(step: int) -> None:
    """The loss of one step is NaN."""
    train_step = Trainer.train_step

    def poisoned(self: Trainer, global_step: int) -> Any:
        loss = self.loss
        if global_step == step:
            self.loss = lambda model, batch: loss(model, batch) * float("nan")
        return train_step(self, global_step)

    Trainer.train_step = poisoned


def nan_weight(step: int) -> None:
    """A trained weight is NaN before a step."""
    train_step = Trainer.train_step

    def poisoned(self: Trainer, global_step: int) -> Any:
        if global_step == step:
            self.parameters[0].data.view(-1)[0] = float("nan")
        return train_step(self, global_step)

    Trainer.train_step = poisoned


def infinite_gradient(step: int) -> None:
    """A gradient of one step overflows, as in half precision."""
    train_step = Trainer.train_step

    def poisoned(self: Trainer, global_step: int) -> Any:
        if global_step != step:
            return train_step(self, global_step)
        handle = self.parameters[0].register_hook(lambda gradient: gradient / 0.0)
        try:
            return train_step(self, global_step)
        finally:
            handle.remove()

    Trainer.train_step = poisoned


def infinite_logits(step: int) -> None:
    """The logits of one evaluation are infinite."""
    evaluate = Evaluator.__call__

    def overflow(model: torch.nn.Module, inputs: Any, output: Any) -> Any:
        output.start_logits = output.start_logits / 0.0
        return output

    def poisoned(self: Evaluator, global_step: int) -> Any:
        if global_step == step:
            self.reader.model.register_forward_hook(overflow)
        return evaluate(self, global_step)

    Evaluator.__call__ = poisoned


FAULTS: dict[str, Callable[..., None]] = {
    each.__name__: each
    for each in (
        count_moments,
        kill,
        send,
        fill_disk,
        limit_file_size,
        make_read_only,
        nan_loss,
        nan_weight,
        infinite_gradient,
        infinite_logits,
    )
}
