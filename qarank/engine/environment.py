"""Which process of a run this is, as torchrun says; needs no torch.

Words: the global rank counts over all machines, the local rank over one.
Source: torchrun's environment variables, which `accelerate launch` sets too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from qarank.errors import LaunchError

SHARDING = {  # what accelerate sets where parameters are to be sharded
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed ZeRO",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism config",
}


@dataclass(frozen=True)
class World:
    """One process among those of a run.

    Attributes:
        global_rank: 0 is the main process, which alone writes files.
        local_rank: 0 is the machine's first process, which alone builds features there.
        world_size: processes of the run.
        local_world_size: processes on this machine.
        restarts: how often torchrun has started this run's processes anew.
    """

    global_rank: int = 0
    local_rank: int = 0
    world_size: int = 1
    local_world_size: int = 1
    restarts: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes."""
        return self.global_rank == 0


def read_world(environment: Mapping[str, str]) -> World:
    """The place of this process; alone where no launcher has set WORLD_SIZE.

    Args:
        environment: os.environ.

    Raises:
        LaunchError: a variable is missing or no number, or the launcher is to shard parameters.
    """
    for name, what in SHARDING.items():
        if environment.get(name, "").lower() in {"1", "true", "yes"}:
            raise LaunchError(
                f"{name} is set: {what} shards parameters, whose gradients cannot be scored; "
                "start with torchrun, --nproc, or accelerate launch --multi_gpu"
            )
    if "WORLD_SIZE" not in environment:
        return World()
    world_size = _read_number(environment, "WORLD_SIZE")
    global_rank = _read_number(environment, "RANK")
    local_rank = _read_number(environment, "LOCAL_RANK")
    # accelerate launch leaves it out on some paths; one machine is what it then starts.
    local_world_size = _read_number(environment, "LOCAL_WORLD_SIZE", world_size)
    if not 0 <= global_rank < world_size:
        raise LaunchError(f"RANK is {global_rank}; WORLD_SIZE {world_size} allows below that")
    if not 0 <= local_rank < local_world_size <= world_size:
        raise LaunchError(
            f"LOCAL_RANK is {local_rank} of LOCAL_WORLD_SIZE {local_world_size} and WORLD_SIZE "
            f"{world_size}; 0 <= LOCAL_RANK < LOCAL_WORLD_SIZE <= WORLD_SIZE is allowed"
        )
    restarts = _read_number(environment, "TORCHELASTIC_RESTART_COUNT", 0)
    return World(global_rank, local_rank, world_size, local_world_size, restarts)


def is_launched(environment: Mapping[str, str]) -> bool:
    """Whether torchrun or its like started this process, even as the only one."""
    return "WORLD_SIZE" in environment


def _read_number(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environment.get(name)
    if text is None and default is not None:
        return default
    if text is None or not text.isdecimal():
        raise LaunchError(
            f"the environment variable {name} is {text!r} while WORLD_SIZE is set; torchrun sets "
            "them all, or unset WORLD_SIZE to run one process"
        )
    return int(text)
