from typing import Any

import pytest
import torch
from torch import Tensor

from qarank.adapters.peft_names import PREFIX
from qarank.adapters.peft_updates import read_head, read_updates
from qarank.errors import AdapterError

PATH = "bert.encoder.layer.0.output.dense"
LORA = {"peft_type": "LORA", "lora_alpha": 6, "target_modules": ["dense"]}
ADALORA = {"peft_type": "ADALORA", "lora_alpha": 6, "init_r": 4, "target_modules": ["dense"]}


def lora_tensors(k: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {
        f"{PREFIX}{PATH}.lora_A.weight": torch.randn(k, 5),
        f"{PREFIX}{PATH}.lora_B.weight": torch.randn(7, k),
    }


def adalora_tensors(k: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(0)
    shapes = {"A": (k, 5), "B": (7, k), "E": (k, 1)}
    return {f"{PREFIX}{PATH}.lora_{x}": torch.randn(shape) for x, shape in shapes.items()}


def delta(config: dict[str, Any], tensors: dict[str, Tensor]) -> Tensor:
    update = read_updates(config, tensors)[PATH]
    return update.alpha / update.lora_A.shape[0] * update.lora_B @ update.lora_A


@pytest.mark.parametrize(
    ("more", "scale"),
    [
        ({}, 6 / 3),
        ({"use_rslora": True}, 6 / 3**0.5),
        ({"alpha_pattern": {PATH: 9.0}}, 9 / 3),
        ({"alpha_pattern": {"output.dense": 9.0, "dense": 1.0}}, 9 / 3),
        ({"alpha_pattern": {r"layer\.\d\.output\.dense": 12}}, 12 / 3),
        ({"alpha_pattern": {"base_model.model.dense": 9.0}}, 6 / 3),  # PEFT passes it over as well
        ({"alpha_pattern": None, "rank_pattern": {}}, 6 / 3),
    ],
)
def test_an_update_is_scaled_as_peft_scales_it(more: dict[str, Any], scale: float) -> None:
    tensors = lora_tensors()
    A, B = tensors.values()
    torch.testing.assert_close(delta(LORA | more, tensors), scale * B @ A)


@pytest.mark.parametrize(("alpha", "scale"), [(6, 6 / (4 + 1e-5)), (0, 4 / (4 + 1e-5))])
def test_adaloras_scale_is_that_of_its_first_rank(alpha: int, scale: float) -> None:
    tensors = adalora_tensors()
    A, B, E = tensors.values()
    torch.testing.assert_close(delta(ADALORA | {"lora_alpha": alpha}, tensors), scale * B @ (E * A))


def test_a_matrix_of_rank_0_has_no_update() -> None:
    assert read_updates(ADALORA, adalora_tensors(k=0)) == {}


def test_half_precision_is_read_as_float32() -> None:
    half = {name: tensor.half() for name, tensor in lora_tensors().items()}
    assert read_updates(LORA, half)[PATH].lora_A.dtype == torch.float32


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3'; LORA and ADALORA are read"),
        (LORA | {"use_dora": True}, "use_dora cannot be read: DoRA scales"),
        (LORA | {"target_modules": ["dense", "key"]}, "has no tensors of key"),
    ],
)
def test_what_an_update_cannot_say_is_refused(config: dict[str, Any], line: str) -> None:
    with pytest.raises(AdapterError, match=line):
        read_updates(config, lora_tensors())


@pytest.mark.parametrize("factor", ["A", "B", "E"])
def test_a_missing_factor_is_named(factor: str) -> None:
    tensors = adalora_tensors()
    del tensors[f"{PREFIX}{PATH}.lora_{factor}"]
    with pytest.raises(AdapterError, match=f"has no lora_{factor} of {PATH}$"):
        read_updates(ADALORA, tensors)


@pytest.mark.parametrize("form", ["{}", "{}.modules_to_save", "{}.modules_to_save.default"])
def test_the_head_has_the_models_names_whatever_version_wrote_it(form: str) -> None:
    name = f"{PREFIX}{form.format('qa_outputs')}.weight"
    head = read_head(lora_tensors() | {name: torch.ones(2, 5)})
    assert list(head) == ["qa_outputs.weight"]


def test_what_peft_keeps_to_switch_back_to_is_left_out() -> None:
    kept = {f"{PREFIX}qa_outputs.original_module.bias": torch.ones(2)}
    assert read_head(lora_tensors() | kept) == {}


def test_a_tensor_of_another_method_is_refused() -> None:
    with pytest.raises(AdapterError, match="lora_embedding_A, which cannot be read"):
        read_head({f"{PREFIX}bert.embeddings.lora_embedding_A": torch.ones(2, 5)})
