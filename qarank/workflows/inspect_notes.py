"""What inspect-ranks does not count of an adapter folder, and why others refuse it; no torch."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qarank.adapters.peft_method import check_method, check_tensors
from qarank.adapters.peft_names import find_others
from qarank.errors import AdapterError


def describe_rest(config: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> list[str]:
    """A line each on what is held beside the triplets, and on why eval and merge refuse it.

    Args:
        config: adapter_config.json.
        shapes: name -> shape of each tensor of adapter_model.safetensors.
    """
    notes = []
    uncounted = _find_uncounted(config, shapes)
    if uncounted:
        first, others = next(iter(uncounted)), len(uncounted) - 1
        more = f" and {others:,} tensor{'s' if others > 1 else ''} more" if others else ""
        size = sum(math.prod(shape) for shape in uncounted.values())
        notes.append(f"also holds {first}{more}, {size:,} parameters, not counted")
    refusal = _find_refusal(config, shapes)
    return [*notes, f"eval and merge refuse it: {refusal}"] if refusal else notes


def _find_uncounted(
    config: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]
) -> dict[str, Sequence[int]]:
    """Tensors that are neither an update's nor of a module that is saved whole."""
    whole = config.get("modules_to_save") or ()
    return {
        bare: shapes[name]
        for name, bare in find_others(shapes).items()
        if not any(f".{module}." in f".{bare}" for module in whole)
    }


def _find_refusal(config: Mapping[str, Any], names: Iterable[str]) -> str | None:
    try:
        check_method(config)
        check_tensors(names)
    except AdapterError as error:
        return str(error)
    return None
