import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.lora import LoRALinear
from qarank.adapters.peft_format import AdapterFolder, export_plain_lora, load_updates
from qarank.adapters.peft_names import PREFIX
from qarank.adapters.svd import SVDLinear
from qarank.errors import AdapterError

HEAD = "qa_outputs"
KINDS = pytest.mark.parametrize("kind", [LoRALinear, SVDLinear])


def export(reader: Any) -> AdapterFolder:
    head = {name: p for name, p in reader.model.named_parameters() if name.startswith(f"{HEAD}.")}
    return export_plain_lora(
        reader.layers, head, head_modules=[HEAD], base_model="some/base", revision="v1"
    )


@pytest.fixture
def exported(train_reader: Callable[..., Any]) -> tuple[Any, AdapterFolder]:
    reader = train_reader(SVDLinear)
    return reader, export(reader)


@KINDS
def test_a_fresh_base_with_the_export_gives_the_same_logits(
    kind: type[AdaptedLinear], train_reader: Callable[..., Any]
) -> None:
    reader = train_reader(kind)
    model = reader.build_base()
    layers = load_updates(model, export(reader), head=[HEAD])
    kept = {path: layer.rank for path, layer in reader.layers.items() if layer.rank}
    assert {path: layer.rank for path, layer in layers.items()} == kept
    torch.testing.assert_close(reader.logits(model), reader.logits(), atol=1e-6, rtol=1e-5)


def test_a_reopened_adapters_loss_is_the_tasks_alone(
    exported: tuple[Any, AdapterFolder],
) -> None:
    reader, folder = exported
    model = reader.build_base()
    load_updates(model, folder, head=[HEAD])
    starts, ends = torch.tensor([6, 7, 0]), torch.tensor([9, 8, 0])
    with torch.no_grad():
        output = model.eval()(**reader.batch, start_positions=starts, end_positions=ends)
    both = ((output.start_logits, starts), (output.end_logits, ends))
    of_task = sum(nn.functional.cross_entropy(logits, places) for logits, places in both) / 2
    torch.testing.assert_close(output.loss, of_task)


def test_what_was_loaded_exports_as_the_very_same_folder(
    exported: tuple[Any, AdapterFolder],
) -> None:
    reader, folder = exported
    model = reader.build_base()
    layers = load_updates(model, folder, head=[HEAD])
    again = export(replace(reader, model=model, layers=layers))
    assert again.config == folder.config
    assert again.tensors.keys() == folder.tensors.keys()
    assert all(torch.equal(again.tensors[name], folder.tensors[name]) for name in again.tensors)


def test_a_loaded_adapter_can_train_on(exported: tuple[Any, AdapterFolder]) -> None:
    reader, folder = exported
    model = reader.build_base()
    layers = load_updates(model, folder, head=[HEAD])
    trains = {name for name, p in model.named_parameters() if p.requires_grad}
    factors = {f"{path}.{factor}" for path in layers for factor in ("lora_A", "lora_B")}
    assert trains == factors | {f"{HEAD}.weight", f"{HEAD}.bias"}


def test_the_config_names_full_paths_ranks_and_scales(exported: tuple[Any, AdapterFolder]) -> None:
    reader, folder = exported
    config = json.loads(json.dumps(folder.config))
    kept = {path: layer.rank for path, layer in reader.layers.items() if layer.rank}
    assert len(kept) < len(reader.layers)  # a matrix of rank 0 is left out
    assert config["target_modules"] == list(kept) and config["rank_pattern"] == kept
    assert config["alpha_pattern"] == {path: 12 * rank / 4 for path, rank in kept.items()}
    assert config["modules_to_save"] == [HEAD]
    assert config["peft_type"] == "LORA" and config["task_type"] is None
    assert (config["base_model_name_or_path"], config["revision"]) == ("some/base", "v1")
    assert config["r"] == max(kept.values()) and config["bias"] == "none"


def test_the_tensors_have_pefts_names_and_shapes(exported: tuple[Any, AdapterFolder]) -> None:
    reader, folder = exported
    shapes = {f"{PREFIX}{HEAD}.weight": (2, 16), f"{PREFIX}{HEAD}.bias": (2,)}
    for path, layer in reader.layers.items():
        if layer.rank:
            shapes[f"{PREFIX}{path}.lora_A.weight"] = (layer.rank, layer.in_features)
            shapes[f"{PREFIX}{path}.lora_B.weight"] = (layer.out_features, layer.rank)
    assert {name: tuple(tensor.shape) for name, tensor in folder.tensors.items()} == shapes
    for tensor in folder.tensors.values():
        assert tensor.dtype == torch.float32 and tensor.is_contiguous()
        assert not tensor.requires_grad


def test_e_is_folded_into_a_and_b_is_as_it_was(exported: tuple[Any, AdapterFolder]) -> None:
    reader, folder = exported
    for path, layer in reader.layers.items():
        if layer.rank:
            kept = layer.rank_mask
            A, B = (folder.tensors[f"{PREFIX}{path}.lora_{x}.weight"] for x in "AB")
            assert torch.equal(A, (layer.lora_E * layer.lora_A)[kept])
            assert torch.equal(B, layer.lora_B[:, kept])


def test_an_export_is_a_copy_that_later_steps_do_not_change(
    exported: tuple[Any, AdapterFolder],
) -> None:
    reader, folder = exported
    before = {name: tensor.clone() for name, tensor in folder.tensors.items()}
    with torch.no_grad():
        for parameter in reader.model.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(folder.tensors[name], before[name]) for name in before)


def test_all_matrices_at_rank_zero_leave_the_head_alone(
    exported: tuple[Any, AdapterFolder],
) -> None:
    reader, _ = exported
    for layer in reader.layers.values():
        layer.keep_triplets(torch.zeros(layer.r, dtype=torch.bool))
    folder = export(reader)
    assert set(folder.tensors) == {f"{PREFIX}{HEAD}.weight", f"{PREFIX}{HEAD}.bias"}
    model = reader.build_base()
    assert load_updates(model, folder, head=[HEAD]) == {}
    assert torch.equal(reader.logits(model), reader.logits())


def test_another_kind_of_adapter_is_refused_by_name(exported: tuple[Any, AdapterFolder]) -> None:
    reader, folder = exported
    other = replace(folder, config=folder.config | {"peft_type": "IA3"})
    with pytest.raises(AdapterError, match="peft_type is 'IA3'; LORA and ADALORA are read"):
        load_updates(reader.build_base(), other, head=[HEAD])


def test_a_module_the_model_lacks_is_named(exported: tuple[Any, AdapterFolder]) -> None:
    _, folder = exported
    path = folder.config["target_modules"][0]
    with pytest.raises(AdapterError, match=f"^the adapter has {path}, the model has no such"):
        load_updates(nn.Sequential(nn.Linear(2, 2)), folder, head=[])


@pytest.mark.parametrize("k", [4, 5, 40])
def test_a_rank_beyond_its_matrix_is_the_same_update_of_a_rank_it_can_have(k: int) -> None:
    torch.manual_seed(0)
    lora_A, lora_B = torch.randn(k, 6), torch.randn(4, k)
    config = {"peft_type": "LORA", "lora_alpha": 6.0, "target_modules": ["0"]}
    tensors = {f"{PREFIX}0.lora_A.weight": lora_A, f"{PREFIX}0.lora_B.weight": lora_B}
    layer = load_updates(nn.Sequential(nn.Linear(6, 4)), AdapterFolder(config, tensors), head=[])[
        "0"
    ]
    assert layer.rank == 4
    torch.testing.assert_close(layer.delta_weight(), 6 / k * lora_B @ lora_A)


def test_a_module_to_save_without_tensors_is_named_where_the_model_has_it(
    exported: tuple[Any, AdapterFolder],
) -> None:
    reader, folder = exported
    elsewhere = replace(folder, config=folder.config | {"modules_to_save": [HEAD, "classifier"]})
    assert load_updates(reader.build_base(), elsewhere, head=[HEAD])
    for part in ("weight", "bias"):
        del folder.tensors[f"{PREFIX}{HEAD}.{part}"]
    with pytest.raises(AdapterError, match="has no qa_outputs, which modules_to_save names$"):
        load_updates(reader.build_base(), folder, head=[])


@pytest.mark.parametrize("factor", ["lora_A", "lora_B"])
def test_a_missing_tensor_is_named(factor: str, exported: tuple[Any, AdapterFolder]) -> None:
    reader, folder = exported
    path = folder.config["target_modules"][0]
    del folder.tensors[f"{PREFIX}{path}.{factor}.weight"]
    with pytest.raises(AdapterError, match=f"^adapter_model.safetensors has no {factor} of {path}"):
        load_updates(reader.build_base(), folder, head=[HEAD])


@pytest.mark.parametrize(("factor", "shape"), [("lora_A", (2, 1)), ("lora_B", (16, 9))])
def test_factors_of_another_models_size_are_refused_with_both_shapes(
    factor: str, shape: tuple[int, int], exported: tuple[Any, AdapterFolder]
) -> None:
    reader, folder = exported
    path = folder.config["target_modules"][0]
    folder.tensors[f"{PREFIX}{path}.{factor}.weight"] = torch.ones(shape)
    with pytest.raises(
        AdapterError, match=f"^the adapter of {path} has shapes .*; the model needs"
    ):
        load_updates(reader.build_base(), folder, head=[HEAD])


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({}, "adapter_model.safetensors has no qa_outputs.weight"),
        (
            {"qa_outputs.weight": torch.ones(3, 16)},
            r"has qa_outputs.weight of shape \(3, 16\); the model needs \(2, 16\)",
        ),
        ({"qa_outputs.weight": torch.ones(2, 16), "pooler": torch.ones(1)}, "model has no pooler"),
    ],
)
def test_a_head_that_is_missing_or_does_not_fit_is_named(
    wrong: dict[str, torch.Tensor], line: str, exported: tuple[Any, AdapterFolder]
) -> None:
    reader, folder = exported
    del folder.tensors[f"{PREFIX}{HEAD}.weight"]
    folder.tensors.update({PREFIX + name: tensor for name, tensor in wrong.items()})
    with pytest.raises(AdapterError, match=line):
        load_updates(reader.build_base(), folder, head=[HEAD])
