"""Whether an adapter folder is of a method that is read as low-rank updates; no torch.

Source: PEFT 0.21's adapter_config.json.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from qarank.adapters.peft_names import find_others
from qarank.errors import AdapterError

REFUSED = {
    "use_dora": "DoRA scales whole columns of the weight",
    "fan_in_fan_out": "its weights are transposed",
    "layer_replication": "it repeats layers",
    "alora_invocation_tokens": "it acts after certain tokens alone",
    "use_qalora": "it averages its inputs over groups",
    "use_bdlora": "its factors are diagonal blocks",
    "arrow_config": "it mixes several adapters",
}
# How A and B began matters to nobody later, but for ways that took something out of the base.
KEEP_THE_BASE = (None, True, False, "gaussian", "orthogonal", "eva", "mica")


def check_tensors(names: Iterable[str]) -> None:
    """Raise AdapterError for a tensor of an adapter that is neither update nor whole parameter."""
    for name, bare in find_others(names).items():
        if "lora_" in bare:
            raise AdapterError(f"adapter_model.safetensors holds {name}, which cannot be read")


def check_method(config: Mapping[str, Any]) -> None:
    """Raise AdapterError for an adapter_config.json of a method that is not read."""
    kind = config.get("peft_type")
    if kind not in ("LORA", "ADALORA"):
        raise AdapterError(f"adapter_config.json: peft_type is {kind!r}; LORA and ADALORA are read")
    for key, reason in REFUSED.items():
        if config.get(key):
            raise AdapterError(f"adapter_config.json: {key} cannot be read: {reason}")
    start = config.get("init_lora_weights")
    if start not in KEEP_THE_BASE:
        raise AdapterError(
            f"adapter_config.json: init_lora_weights is {start!r}, which changed the base's "
            "weights: PEFT's save_pretrained(path_initial_model_for_weight_conversion=...) writes "
            "an adapter of the base as it was"
        )
