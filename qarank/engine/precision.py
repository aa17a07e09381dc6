"""Which number format a run computes in."""

from typing import Any, Literal

import torch

from qarank.errors import RecipeError

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
OVERFLOWING_IN_FP16 = ("deberta", "deberta-v2")  # transformers' names; v3 checkpoints say v2


def check_precision(asked: str, model_type: str) -> None:
    """Refuse a format that an architecture is known to fail in.

    Args:
        asked: as the recipe has it.
        model_type: transformers' name of the architecture.

    Raises:
        RecipeError: fp16 with DeBERTa.
    """
    if asked == "fp16" and model_type in OVERFLOWING_IN_FP16:
        raise RecipeError(
            f"train.precision is fp16, in which the attention logits of DeBERTa ({model_type}) "
            "overflow; bf16, fp32 or auto works"
        )


def resolve_precision(asked: str, device: torch.device) -> Precision:
    """Turn `auto` into bf16 where the hardware computes in it, else fp32; never into fp16.

    Raises:
        RecipeError: fp16 without a GPU.
    """
    if asked == "auto":
        return "bf16" if has_fast_bf16(device) else "fp32"
    if asked not in DTYPES:
        raise RecipeError(f"precision is {asked}; {', '.join(DTYPES)} or auto is allowed")
    if asked == "fp16" and device.type != "cuda":
        raise RecipeError("train.precision is fp16, which needs a GPU; fp32, bf16 or auto works")
    return asked  # type: ignore[return-value]  # a key of DTYPES


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bf16 products run in hardware, not in emulation."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    find_capabilities = getattr(torch.cpu, "get_capabilities", dict)  # newer torch only
    capabilities: dict[str, Any] = find_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def default_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
