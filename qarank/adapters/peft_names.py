"""What PEFT calls the tensors of an adapter folder, and what their shapes alone say; no torch.

Dims: k: rank of one matrix's update; in_features, out_features: of its matrix.
Source: PEFT 0.21's file format.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qarank.errors import AdapterError

PREFIX = "base_model.model."
LOW_RANK = re.compile(r"^(?P<path>.+)\.lora_(?P<factor>[ABE])(\.weight)?$")


@dataclass(frozen=True)
class UpdateShape:
    """One matrix's update.

    Attributes:
        rank: k.
        in_features: of the matrix.
        out_features: of the matrix.
    """

    rank: int
    in_features: int
    out_features: int


def find_others(names: Iterable[str]) -> dict[str, str]:
    """Name -> name without PEFT's prefix, of all tensors that are no update.

    Parameters that PEFT keeps of a module it has replaced, to switch back to, are left out.
    """
    bare = {name: name.removeprefix(PREFIX) for name in names}
    return {
        name: short
        for name, short in bare.items()
        if not LOW_RANK.match(short) and ".original_module." not in short
    }


def read_update_shapes(shapes: Mapping[str, Sequence[int]]) -> dict[str, UpdateShape]:
    """Full module path -> shape of its update, of a LoRA or an AdaLoRA folder.

    AdaLoRA's triplets of size 0 count: between two of its rounds PEFT lets them regrow.

    Args:
        shapes: name -> shape of each tensor of adapter_model.safetensors.

    Raises:
        AdapterError: a matrix lacks a factor, or its factors are of different ranks.
    """
    factors: dict[str, dict[str, Sequence[int]]] = {}
    for name, shape in shapes.items():
        found = LOW_RANK.match(name.removeprefix(PREFIX))
        if found is not None:
            factors.setdefault(found["path"], {})[found["factor"]] = shape
    return {path: _join(path, parts) for path, parts in factors.items()}


def _join(path: str, parts: Mapping[str, Sequence[int]]) -> UpdateShape:
    for factor in "AB":
        if len(parts.get(factor, ())) != 2:
            raise AdapterError(f"adapter_model.safetensors has no matrix lora_{factor} of {path}")
    (k, in_features), (out_features, other) = parts["A"], parts["B"]
    if k != other:
        raise AdapterError(f"{path}: lora_A is of rank {k}, lora_B of rank {other}")
    return UpdateShape(k, in_features, out_features)
