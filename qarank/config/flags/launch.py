"""How many processes a launcher was asked for: per-device batches times these are one step's."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PER_NODE = ("nproc_per_node",)
NODES = ("nnodes", "num_machines")
PROCESSES = ("num_processes",)
MIXED = ("mixed_precision",)
LAUNCHERS = re.compile(r"torchrun|launch|distributed|deepspeed|mpirun|srun")
VISIBLE = re.compile(r"(CUDA_VISIBLE_DEVICES=\d+(?:,\d+)*);?")


@dataclass(frozen=True)
class Launch:
    """What a launcher's options say.

    Attributes:
        world_size: processes in all; None where it is no number, as in --nproc_per_node gpu.
        shown: what says so, as it was written; "" where nothing does.
        precision: accelerate's --mixed_precision; None where it is not given.
    """

    world_size: int | None
    shown: str
    precision: str | None


def read_launch(words: Sequence[str]) -> Launch:
    """Read the words before the script; options that change no result are passed over."""
    world_size: int | None = 1
    shown, precision = [], None
    options = dict(_read_options(words))
    for name, value in options.items():
        if name in MIXED:
            precision = value
        elif name in (*PER_NODE, *NODES, *PROCESSES):
            if name in NODES and any(other in options for other in PROCESSES):
                continue  # accelerate counts its processes over all machines
            shown.append(f"--{name} {value}")
            count = int(value) if value.isdecimal() and int(value) > 0 else None
            world_size = None if world_size is None or count is None else world_size * count
    if not shown and not any(LAUNCHERS.search(word) for word in words):
        return _count_visible(words, precision)
    return Launch(world_size, " ".join(shown), precision)


def _count_visible(words: Sequence[str], precision: str | None) -> Launch:
    """Without a launcher the Trainer spreads one process over all GPUs that it sees."""
    for match in filter(None, map(VISIBLE.fullmatch, words)):
        return Launch(1 + match[1].count(","), match[1], precision)
    return Launch(1, "", precision)


def _read_options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Option -> value, both spellings of each: --nproc-per-node=2, --nproc_per_node 2."""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word.startswith("--"):
            name, equals, value = word.removeprefix("--").partition("=")
            yield name.replace("-", "_"), value if equals else following
