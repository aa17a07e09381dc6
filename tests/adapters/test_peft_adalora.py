import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from qarank.adapters.layer import AdaptedLinear, PlainLoRA
from qarank.adapters.lora import LoRALinear
from qarank.adapters.peft_adalora import export_adalora, split_sizes
from qarank.adapters.peft_format import AdapterFolder, load_updates
from qarank.adapters.svd import SVDLinear

HEAD = "qa_outputs"


def export(reader: Any, **options: Any) -> AdapterFolder:
    head = {name: p for name, p in reader.model.named_parameters() if name.startswith(f"{HEAD}.")}
    updates = {path: each.to_plain_lora() for path, each in reader.layers.items() if each.rank}
    return export_adalora(updates, head, head_modules=[HEAD], base_model="some/base", **options)


@pytest.mark.parametrize("alpha", [16.0, 0.5])
@pytest.mark.parametrize("kind", [LoRALinear, SVDLinear])
def test_read_back_it_gives_the_same_logits(
    kind: type[AdaptedLinear], alpha: float, train_reader: Callable[..., Any]
) -> None:
    reader = train_reader(kind)
    model = reader.build_base()
    layers = load_updates(model, export(reader, alpha=alpha), head=[HEAD])
    kept = {path: layer.rank for path, layer in reader.layers.items() if layer.rank}
    assert {path: layer.rank for path, layer in layers.items()} == kept
    torch.testing.assert_close(reader.logits(model), reader.logits(), atol=1e-5, rtol=1e-5)


def test_the_config_is_json_and_names_what_is_kept(train_reader: Callable[..., Any]) -> None:
    reader = train_reader(SVDLinear)
    config = json.loads(json.dumps(export(reader).config))
    kept = {path: layer.rank for path, layer in reader.layers.items() if layer.rank}
    assert config["peft_type"] == "ADALORA"
    assert config["init_r"] == max(kept.values())
    assert {name: sum(flags) for name, flags in config["rank_pattern"].items()} == {
        f"{path}.lora_E": rank for path, rank in kept.items()
    }
    assert {len(flags) for flags in config["rank_pattern"].values()} == {config["init_r"]}


def test_e_is_the_size_and_the_rest_direction() -> None:
    torch.manual_seed(0)
    parts = split_sizes(torch.randn(3, 5), torch.randn(4, 3), scale=-2.0)
    torch.testing.assert_close(parts["A"].norm(dim=1), torch.ones(3))
    torch.testing.assert_close(parts["B"].norm(dim=0), torch.ones(3))
    assert (parts["E"] < 0).all()


def test_a_triplet_of_size_0_stays_finite() -> None:
    lora_A = torch.randn(2, 5)
    lora_A[1] = 0.0
    update = PlainLoRA(lora_A, torch.randn(4, 2), alpha=3.0)
    folder = export_adalora({"a.b": update}, {}, head_modules=[], base_model="x")
    assert all(torch.isfinite(tensor).all() for tensor in folder.tensors.values())
    assert float(folder.tensors["base_model.model.a.b.lora_E"][1]) == 0.0
