"""What a run needs to go on as if never stopped: from the parts to a checkpoint's state and back.

Tensors: `model.<name>` trained parameters; `optimizer.<name>.<average>`; `allocator.<name>`;
`generator.<device>.<global rank>`. Values: what the training loop counts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from qarank.adapters.inject import trainable_parameters
from qarank.engine.generators import seed_process, set_generators
from qarank.engine.loop import Trainer
from qarank.errors import CheckpointError
from qarank.ranks.protocol import Allocator


def collect_tensors(
    trainer: Trainer,
    allocator: Allocator | None,
    generators: Sequence[Mapping[str, Tensor]],
) -> dict[str, Tensor]:
    """Every tensor of a run's state, by name.

    Args:
        trainer: between two steps.
        allocator: of the run, if any.
        generators: states by device, one mapping a process, by global rank.
    """
    state: dict[str, Tensor] = {
        f"model.{name}": p for name, p in trainable_parameters(trainer.model).items()
    }
    state |= optimizer_tensors(trainer.model, trainer.optimizer)
    if allocator is not None:
        state |= {f"allocator.{name}": t for name, t in allocator.state_dict().items()}
    for global_rank, states in enumerate(generators):
        state |= {f"generator.{name}.{global_rank}": t for name, t in states.items()}
    return state


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's averages by parameter name, `optimizer.<name>.<average>`."""
    return {
        f"optimizer.{name}.{key}": value
        for name, parameter in trainable_parameters(model).items()
        for key, value in optimizer.state[parameter].items()
    }


def restore_tensors(
    state: Mapping[str, Tensor], trainer: Trainer, allocator: Allocator | None
) -> None:
    """Put a checkpoint's tensors into a run's parts.

    Raises:
        CheckpointError: they are another model's.
    """
    parameters = trainable_parameters(trainer.model)
    saved = _under(state, "model.")
    if {n: t.shape for n, t in saved.items()} != {n: p.shape for n, p in parameters.items()}:
        odd = sorted(set(saved) ^ set(parameters)) or ["shapes"]
        raise CheckpointError(f"the checkpoint is another model's: {odd[0]} differs")
    for name, parameter in parameters.items():
        parameter.data.copy_(saved[name])
    _restore_optimizer(_under(state, "optimizer."), trainer)
    if allocator is not None:
        allocator.load_state_dict(_under(state, "allocator."))


def restore_generators(
    state: Mapping[str, Tensor], trainer: Trainer, *, seed: int, global_step: int
) -> None:
    """Give this process its random generators back.

    A process that the stopped run did not have draws from a stream of its own.

    Args:
        state: a checkpoint's tensors.
        trainer: knows device and process.
        seed: of the run.
        global_step: of the checkpoint.
    """
    global_rank = trainer.processes.world.global_rank
    states = {
        name.removesuffix(f".{global_rank}"): tensor
        for name, tensor in _under(state, "generator.").items()
        if name.endswith(f".{global_rank}")
    }
    if states:
        set_generators(states, trainer.device)
    else:
        seed_process(seed + global_step, global_rank)


def _restore_optimizer(averages: Mapping[str, Tensor], trainer: Trainer) -> None:
    """Straight into the optimizer's state: its own load_state_dict numbers what we name."""
    parameters = trainable_parameters(trainer.model)
    trainer.optimizer.state.clear()
    for full_name, value in averages.items():
        name, key = full_name.rsplit(".", 1)
        parameter = parameters[name]
        trainer.optimizer.state[parameter][key] = value.to(parameter.device)


def _under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}


def describe_loop(trainer: Trainer) -> dict[str, Any]:
    """The loop's own counts, for state.json."""
    return {"num_skipped": trainer.num_skipped, "scaler": trainer.scaler.state_dict()}


def restore_loop(facts: Mapping[str, Any], trainer: Trainer) -> None:
    """Put them back."""
    trainer.num_skipped = int(facts["num_skipped"])
    if trainer.scaler.is_enabled():
        trainer.scaler.load_state_dict(facts["scaler"])
