"""Puts adapters into a model: everything frozen, then adapters and head set free by membership."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

from torch import nn

from qarank.adapters.layer import AdaptedLinear
from qarank.errors import AdapterError

Adapter = TypeVar("Adapter", bound=AdaptedLinear)


def linear_paths(model: nn.Module, *, outside: Sequence[str] = ()) -> list[str]:
    """Full paths of all linears, in the model's order, but for those in the modules `outside`."""
    return [
        path
        for path, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and not any(path == name or path.startswith(f"{name}.") for name in outside)
    ]


def inject_adapters(
    model: nn.Module,
    paths: Sequence[str],
    *,
    head: Sequence[str],
    build: Callable[[str, nn.Linear], Adapter],
) -> dict[str, Adapter]:
    """Wrap the linears at `paths`, freeze the model, and free adapters and head.

    Args:
        model: changed in place.
        paths: full module paths of linears; empty trains the head alone.
        head: paths of the modules that train fully.
        build: makes the adapter of one linear, given its path.

    Returns:
        Path -> adapter, in the order of `paths`.

    Raises:
        AdapterError: a path is no linear, or shares its weight, or nothing would train.
    """
    _require_own_weights(model, paths)
    model.requires_grad_(False)
    layers: dict[str, Adapter] = {}
    for path in paths:
        parent_path, _, name = path.rpartition(".")
        parent = model.get_submodule(parent_path)
        linear = model.get_submodule(path)
        if not isinstance(linear, nn.Linear):
            raise AdapterError(f"{path} is a {type(linear).__name__}; only nn.Linear is adapted")
        layers[path] = build(path, linear)
        setattr(parent, name, layers[path])
    for name in head:
        model.get_submodule(name).requires_grad_(True)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise AdapterError("nothing would train: no matrix is adapted and there is no head")
    return layers


def _require_own_weights(model: nn.Module, paths: Sequence[str]) -> None:
    """Refuse a linear whose weight is used under another name too: it would be adapted at one."""
    weights = {f"{path}.weight" for path in paths}
    names: dict[nn.Parameter, list[str]] = defaultdict(list)
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names[parameter].append(name)
    for first, *others in names.values():
        shared = next((name for name in (first, *others) if name in weights), None)
        if others and shared is not None:
            other = others[0] if shared == first else first
            raise AdapterError(
                f"{shared} is {other} as well, and would be adapted at one of the two; leave it "
                "out of adapter.target_modules"
            )


def find_adapters(model: nn.Module) -> dict[str, AdaptedLinear]:
    """Path -> adapter, of all that the model holds."""
    return {path: m for path, m in model.named_modules() if isinstance(m, AdaptedLinear)}


def trainable_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Name -> parameter, of all that train."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}
