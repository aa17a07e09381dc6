"""Makes a loaded base model the one a recipe trains: adapters in, frozen, cast."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from qarank.adapters.inject import inject_adapters
from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.lora import LoRALinear
from qarank.adapters.orthogonality import orthogonality_penalty
from qarank.adapters.svd import SVDLinear
from qarank.config.rank_schema import AdapterConfig
from qarank.engine.precision import DTYPES, Precision
from qarank.workflows.model import HEAD


def adapt_model(
    model: nn.Module, paths: Sequence[str], adapter: AdapterConfig, *, seed: int
) -> dict[str, AdaptedLinear]:
    """Inject what the recipe asks for and free what trains, in place.

    Returns:
        Path -> adapter; empty with adapter.type none.
    """
    torch.manual_seed(seed)  # a fresh stream: adapters do not depend on whether the head was made
    if adapter.full:
        model.requires_grad_(True)
        return {}

    def build(_: str, linear: nn.Linear) -> AdaptedLinear:
        if adapter.type == "frd":
            return LoRALinear(linear, r=adapter.r, alpha=adapter.alpha, dropout=adapter.dropout)
        return SVDLinear(
            linear,
            r=adapter.r,
            alpha=adapter.alpha,
            dropout=adapter.dropout,
            init=adapter.init,
        )

    return inject_adapters(model, paths, head=[HEAD], build=build)


def cast_frozen(model: nn.Module, precision: Precision) -> None:
    """Cast what does not train to the run's precision; adapters and head stay float32.

    A head in float32 takes its input in float32, so logits are never rounded to half. It stays so
    though it was not trained, as with an adapter that brings none.
    """
    dtype = DTYPES[precision]
    if dtype == torch.float32:
        return
    head = set(model.get_submodule(HEAD).parameters())
    for parameter in model.parameters():
        if not parameter.requires_grad and parameter not in head:
            parameter.data = parameter.data.to(dtype)
    model.get_submodule(HEAD).register_forward_pre_hook(_to_float32)


def _to_float32(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(tensor.float() for tensor in inputs)


def autocast_for(
    precision: Precision, device: torch.device, *, adapted: bool
) -> Callable[[], AbstractContextManager[object]]:
    """The context of a forward pass.

    Without adapters the weights stay float32, since they are saved, and autocast computes in less.
    Adapters need none: the frozen base is cast once, which autocast would do again at every use.
    """
    if adapted or precision == "fp32":
        return nullcontext
    return lambda: torch.autocast(device.type, dtype=DTYPES[precision])


def build_penalty(
    layers: Mapping[str, AdaptedLinear], weight: float
) -> Callable[[], Tensor] | None:
    """The weighted orthogonality penalty of a step; None where it weighs nothing."""
    if not layers or not weight:
        return None
    return lambda: weight * orthogonality_penalty(layers.values())
