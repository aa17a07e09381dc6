"""PEFT's plain-LoRA folder, as a dict and tensors: what checkpoints hold and everyone can load.

A pruned update is exactly a plain LoRA with a rank and an alpha of its own for each matrix. Rank-0
matrices are left out, since PEFT refuses r = 0. task_type is null, because PEFT's
question-answering wrapper drops token_type_ids.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from qarank.adapters.inject import inject_adapters
from qarank.adapters.layer import AdaptedLinear, PlainLoRA
from qarank.adapters.lora import LoRALinear
from qarank.adapters.peft_names import PREFIX
from qarank.adapters.peft_updates import read_head, read_updates
from qarank.adapters.truncate import truncate_update
from qarank.errors import AdapterError


@dataclass(frozen=True)
class AdapterFolder:
    """What an adapter folder holds.

    Attributes:
        config: adapter_config.json.
        tensors: adapter_model.safetensors, PEFT's keys.
    """

    config: dict[str, Any]
    tensors: dict[str, Tensor]


def export_plain_lora(
    layers: Mapping[str, AdaptedLinear],
    head: Mapping[str, Tensor],
    *,
    head_modules: Sequence[str],
    base_model: str,
    revision: str | None = None,
) -> AdapterFolder:
    """The kept triplets as PEFT would have saved them.

    Args:
        layers: full module path -> adapter.
        head: parameter name in the model -> tensor, of the modules that train fully.
        head_modules: those modules' paths.
        base_model: where the base comes from, for base_model_name_or_path.
        revision: of the base on the hub.
    """
    updates = {path: layer.to_plain_lora() for path, layer in layers.items() if layer.rank}
    return export_updates(
        updates, head, head_modules=head_modules, base_model=base_model, revision=revision
    )


def export_updates(
    updates: Mapping[str, PlainLoRA],
    head: Mapping[str, Tensor],
    *,
    head_modules: Sequence[str],
    base_model: str,
    revision: str | None = None,
) -> AdapterFolder:
    """As `export_plain_lora`, of updates of rank 1 or more by full module path."""
    tensors = {PREFIX + name: tensor for name, tensor in head.items()}
    for path, update in updates.items():
        tensors[f"{PREFIX}{path}.lora_A.weight"] = update.lora_A
        tensors[f"{PREFIX}{path}.lora_B.weight"] = update.lora_B
    ranks = {path: update.lora_A.shape[0] for path, update in updates.items()}
    config = {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": base_model,
        "revision": revision,
        "inference_mode": True,
        "r": max(ranks.values(), default=1),
        "lora_alpha": max((update.alpha for update in updates.values()), default=1.0),
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "target_modules": list(updates),
        "rank_pattern": ranks,
        "alpha_pattern": {path: update.alpha for path, update in updates.items()},
        "modules_to_save": list(head_modules),
    }
    contiguous = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    return AdapterFolder(config, contiguous)


def load_updates(
    model: nn.Module, folder: AdapterFolder, *, head: Sequence[str]
) -> dict[str, LoRALinear]:
    """Put the updates and the head of a PEFT folder into a fresh base model, in place.

    Args:
        model: as loaded; what the folder has no tensor for stays.
        folder: LoRA or AdaLoRA.
        head: paths of the modules that the folder must bring whole.

    Returns:
        Path -> adapter, in the model's order, all triplets kept.

    Raises:
        AdapterError: the folder cannot be read as updates, or does not fit the model.
    """
    updates = read_updates(folder.config, folder.tensors)
    known = dict(model.named_modules())
    for path in updates:
        if path not in known:
            raise AdapterError(f"the adapter has {path}, the model has no such module")

    def build(path: str, linear: nn.Linear) -> LoRALinear:
        _check_shapes(path, updates[path], linear)
        update = _fit_rank(updates[path], linear)
        layer = LoRALinear(linear, r=update.lora_A.shape[0], alpha=update.alpha)
        layer.lora_A.data.copy_(update.lora_A)
        layer.lora_B.data.copy_(update.lora_B)
        return layer

    saved = read_head(folder.tensors)
    _require_saved(folder.config.get("modules_to_save") or (), saved, known)
    paths = [path for path in known if path in updates]
    model.requires_grad_(False)
    # Of rank 0 everywhere and without a head it changes nothing, which is no mistake to read.
    layers = inject_adapters(model, paths, head=head, build=build) if paths or head else {}
    _load_head(model, saved, head)
    return layers


def _fit_rank(update: PlainLoRA, linear: nn.Linear) -> PlainLoRA:
    """The same update, of no more rank than its matrix can have; PEFT lets r be anything."""
    largest = min(linear.in_features, linear.out_features)
    return update if update.lora_A.shape[0] <= largest else truncate_update(update, largest)[0]


def _check_shapes(path: str, update: PlainLoRA, linear: nn.Linear) -> None:
    r = update.lora_A.shape[0]
    needed = [(r, linear.in_features), (linear.out_features, r)]
    found = [tuple(update.lora_A.shape), tuple(update.lora_B.shape)]
    if found != needed:
        raise AdapterError(f"the adapter of {path} has shapes {found}; the model needs {needed}")


def _require_saved(modules: Iterable[str], saved: Iterable[str], known: Iterable[str]) -> None:
    """A module to save has tensors; PEFT's conversion of some adapters leaves them out."""
    for module in modules:
        is_known = any(f".{path}".endswith(f".{module}") for path in known)
        if is_known and not any(f".{module}." in f".{name}" for name in saved):
            raise AdapterError(
                f"adapter_model.safetensors has no {module}, which modules_to_save names"
            )


def _load_head(model: nn.Module, saved: Mapping[str, Tensor], head: Sequence[str]) -> None:
    needed = {
        name
        for module in head
        for name, _ in model.get_submodule(module).named_parameters(prefix=module)
    }
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in sorted(needed | saved.keys()):
            if name not in saved or name not in parameters:
                where = "adapter_model.safetensors" if name in needed else "the model"
                raise AdapterError(f"{where} has no {name}")
            if saved[name].shape != parameters[name].shape:
                raise AdapterError(
                    f"adapter_model.safetensors has {name} of shape {tuple(saved[name].shape)}; "
                    f"the model needs {tuple(parameters[name].shape)}"
                )
            parameters[name].copy_(saved[name])
