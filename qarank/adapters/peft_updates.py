"""Reads PEFT's adapter folders, ours and others': LoRA and AdaLoRA, each update as plain LoRA.

Dims: k: rank of one matrix's update.
Source: PEFT 0.21's file format. Its AdaLoRA scales by lora_alpha / (init_r + 1e-5), whatever rank
is left; LoRA by alpha / k, or alpha / sqrt(k) with use_rslora.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from qarank.adapters.layer import PlainLoRA
from qarank.adapters.peft_method import check_method, check_tensors
from qarank.adapters.peft_names import LOW_RANK, PREFIX, find_others
from qarank.errors import AdapterError

RANK_OFFSET = 1e-5  # PEFT's, so that a rank of 0 divides by something


def read_updates(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, PlainLoRA]:
    """Full module path -> update, float32; matrices of rank 0 are left out.

    Args:
        config: adapter_config.json.
        tensors: adapter_model.safetensors.

    Raises:
        AdapterError: the folder is of another method, or holds what an update cannot say.
    """
    check_method(config)
    factors: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        found = LOW_RANK.match(name.removeprefix(PREFIX))
        if found is not None:
            factors.setdefault(found["path"], {})[found["factor"]] = tensor.float()
    _require_all(config.get("target_modules"), factors)
    updates = {path: _join(path, parts, config) for path, parts in factors.items()}
    return {path: update for path, update in updates.items() if update.lora_A.shape[0]}


def read_head(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameter name in the model -> tensor, of all that is no update.

    Parameters that PEFT keeps of a module it has replaced, to switch back to, are left out.

    Raises:
        AdapterError: a tensor is neither an update's nor a whole parameter.
    """
    check_tensors(tensors)
    return {
        re.sub(r"\.modules_to_save(\.default)?\.", ".", bare): tensors[name]
        for name, bare in find_others(tensors).items()
    }


def _require_all(targets: Any, paths: Iterable[str]) -> None:
    """Every module that the config names has tensors; a regular expression names none."""
    for target in targets if isinstance(targets, list) else []:
        if not any(path == target or path.endswith(f".{target}") for path in paths):
            raise AdapterError(f"adapter_model.safetensors has no tensors of {target}")


def _join(path: str, parts: Mapping[str, Tensor], config: Mapping[str, Any]) -> PlainLoRA:
    """One matrix's update; E is folded into A."""
    needed = "ABE" if config["peft_type"] == "ADALORA" else "AB"
    missing = [factor for factor in needed if factor not in parts]
    if missing:
        raise AdapterError(f"adapter_model.safetensors has no lora_{missing[0]} of {path}")
    lora_A, lora_B = parts["A"], parts["B"]
    k = lora_A.shape[0]
    if "E" in needed:
        return PlainLoRA(lora_A * parts["E"].reshape(-1, 1), lora_B, _adalora_scale(config) * k)
    alpha = float(_pattern_value(config.get("alpha_pattern") or {}, path, config["lora_alpha"]))
    return PlainLoRA(lora_A, lora_B, alpha * k**0.5 if config.get("use_rslora") else alpha)


def _adalora_scale(config: Mapping[str, Any]) -> float:
    init_r = float(config["init_r"])
    alpha = float(config["lora_alpha"])
    return (alpha if alpha > 0 else init_r) / (init_r + RANK_OFFSET)


def _pattern_value(pattern: Mapping[str, Any], path: str, default: Any) -> Any:
    """PEFT's rule: the first key that, as a regular expression, the path ends with."""
    return next((pattern[key] for key in _matching(pattern, path)), default)


def _matching(keys: Iterable[str], path: str) -> Iterable[str]:
    return (key for key in keys if re.match(rf"(.*\.)?({key})$", path))
