"""PEFT's AdaLoRA folder out of any low-rank updates, at equal Delta W.

Each triplet is written as A of unit rows, B of unit columns and E their size, which is what the
parametrisation means: Delta W = alpha / (r0 + 1e-5) * B diag(E) A.

Dims: k: rank of one matrix's update; r0: of the folder, what every matrix is said to have had.
Source: PEFT 0.21's file format; `rank_pattern` holds a list of r0 booleans a matrix.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from qarank.adapters.layer import PlainLoRA
from qarank.adapters.peft_format import AdapterFolder
from qarank.adapters.peft_names import PREFIX
from qarank.adapters.peft_updates import RANK_OFFSET


def export_adalora(
    updates: Mapping[str, PlainLoRA],
    head: Mapping[str, Tensor],
    *,
    head_modules: Sequence[str],
    base_model: str,
    revision: str | None = None,
    alpha: float = 16.0,
) -> AdapterFolder:
    """The updates as PEFT's AdaLoRA would have saved them after its last round.

    Args:
        updates: full module path -> update, of rank 1 or more.
        head: parameter name in the model -> tensor, of the modules that train fully.
        head_modules: those modules' paths.
        base_model: where the base comes from.
        revision: of the base on the hub.
        alpha: the folder's lora_alpha; E takes up what the updates' own scales differ from it.
    """
    r0 = max((update.lora_A.shape[0] for update in updates.values()), default=1)
    tensors = {PREFIX + name: tensor for name, tensor in head.items()}
    for path, update in updates.items():
        scale = update.alpha / update.lora_A.shape[0] / (alpha / (r0 + RANK_OFFSET))
        for factor, tensor in split_sizes(update.lora_A, update.lora_B, scale=scale).items():
            tensors[f"{PREFIX}{path}.lora_{factor}"] = tensor
    config = {
        "peft_type": "ADALORA",
        "task_type": None,
        "base_model_name_or_path": base_model,
        "revision": revision,
        "inference_mode": True,
        "init_r": r0,
        "target_r": r0,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "tinit": 0,
        "tfinal": 0,
        "total_step": 1,  # PEFT wants one, and no step is taken
        "target_modules": list(updates),
        "rank_pattern": {
            f"{path}.lora_E": [place < update.lora_A.shape[0] for place in range(r0)]
            for path, update in updates.items()
        },
        "modules_to_save": list(head_modules),
    }
    contiguous = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    return AdapterFolder(config, contiguous)


def split_sizes(lora_A: Tensor, lora_B: Tensor, *, scale: float) -> dict[str, Tensor]:
    """Scale * B A as {"A", "B", "E"} with unit rows of A and unit columns of B.

    Args:
        lora_A: (k, in_features).
        lora_B: (out_features, k).
        scale: of their product; goes into E, (k, 1).
    """
    of_A = torch.linalg.vector_norm(lora_A, dim=1, keepdim=True)  # (k, 1)
    of_B = torch.linalg.vector_norm(lora_B, dim=0, keepdim=True)  # (1, k)
    # A triplet of size 0 keeps its E of 0 and whatever direction it has.
    one = torch.ones((), dtype=lora_A.dtype, device=lora_A.device)
    return {
        "A": lora_A / torch.where(of_A > 0, of_A, one),
        "B": lora_B / torch.where(of_B > 0, of_B, one),
        "E": scale * of_A * of_B.T,
    }
