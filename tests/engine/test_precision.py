import pytest
import torch

from qarank.engine import precision
from qarank.engine.precision import (
    DTYPES,
    check_precision,
    default_device,
    has_fast_bf16,
    resolve_precision,
)
from qarank.errors import RecipeError

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(("fast", "expected"), [(True, "bf16"), (False, "fp32")])
@pytest.mark.parametrize("device", [CPU, GPU], ids=str)
def test_auto_means_bf16_only_where_the_hardware_computes_in_it(
    fast: bool, expected: str, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_fast_bf16", lambda _: fast)
    assert resolve_precision("auto", device) == expected


def test_fp16_without_a_gpu_is_refused_with_what_works() -> None:
    with pytest.raises(RecipeError, match=r"^train.precision is fp16.* fp32, bf16 or auto works$"):
        resolve_precision("fp16", CPU)


@pytest.mark.parametrize(
    ("asked", "device"),
    [("fp32", CPU), ("bf16", CPU), ("fp32", GPU), ("bf16", GPU), ("fp16", GPU)],
)
def test_what_is_asked_by_name_is_what_runs(asked: str, device: torch.device) -> None:
    assert resolve_precision(asked, device) == asked
    assert asked in DTYPES


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
        ({"avx2": True, "avx512_bf16": False}, False),
        ({}, False),
    ],
)
def test_a_cpu_is_asked_for_its_instructions(
    capabilities: dict[str, bool], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert has_fast_bf16(CPU) is expected


def test_a_torch_that_cannot_say_counts_as_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert has_fast_bf16(CPU) is False


def test_a_gpu_that_only_emulates_bf16_counts_as_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation
    )
    assert has_fast_bf16(GPU) is False


@pytest.mark.parametrize(("available", "kind"), [(True, "cuda"), (False, "cpu")])
def test_the_gpu_is_taken_where_there_is_one(
    available: bool, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert default_device().type == kind


@pytest.mark.parametrize("model_type", ["deberta", "deberta-v2"])
def test_deberta_in_fp16_is_refused_with_the_reason_and_what_works(model_type: str) -> None:
    with pytest.raises(RecipeError) as caught:
        check_precision("fp16", model_type)
    line = str(caught.value)
    assert line.startswith("train.precision is fp16, in which the attention logits of DeBERTa")
    assert f"({model_type}) overflow; bf16, fp32 or auto works" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("asked", "model_type"),
    [("bf16", "deberta-v2"), ("fp32", "deberta-v2"), ("auto", "deberta-v2"), ("fp16", "bert")],
)
def test_other_formats_and_other_models_are_free(asked: str, model_type: str) -> None:
    check_precision(asked, model_type)
