"""Adapters that PEFT made are read at its logits, and it opens our AdaLoRA folders at ours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from torch import Tensor, nn

from qarank.adapters.inject import inject_adapters, linear_paths
from qarank.adapters.peft_adalora import export_adalora
from qarank.adapters.peft_format import AdapterFolder, load_updates
from qarank.adapters.peft_updates import read_head
from qarank.adapters.svd import SVDLinear
from qarank.adapters.targets import WORDS, resolve_targets
from qarank.artifacts.checkpoint import read_adapter, write_adapter
from qarank.errors import AdapterError

HEAD = "qa_outputs"
CLOSE = {"atol": 1e-5, "rtol": 1e-5}
BATCH = {
    "input_ids": torch.arange(24).reshape(2, 12) % 40,
    "token_type_ids": (torch.arange(12) > 5).long().expand(2, -1),
    "attention_mask": torch.ones(2, 12, dtype=torch.int64),
}
LABELS = {"start_positions": torch.tensor([6, 7]), "end_positions": torch.tensor([9, 8])}
USUAL = {"r": 3, "lora_alpha": 7, "target_modules": ["query", "key", "dense"]}
Build = Callable[..., nn.Module]
Read = Callable[[nn.Module, dict[str, Tensor]], Tensor]


def train(model: nn.Module, after: Callable[[int], None] = lambda _: None) -> None:
    """A few steps, so that no update is zero."""
    torch.manual_seed(1)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for step in range(1, 9):
        model.train()
        model(**BATCH, **LABELS).loss.backward()
        optimizer.step()
        after(step)
        optimizer.zero_grad()


def reopen(folder: Path, model: nn.Module) -> nn.Module:
    """Ours: a fresh base with what stands in the folder."""
    adapter = AdapterFolder(*read_adapter(folder))
    brings_head = any(name.startswith(HEAD) for name in read_head(adapter.tensors))
    assert load_updates(model, adapter, head=[HEAD] if brings_head else [])
    return model


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"use_rslora": True},
        {
            "rank_pattern": {"output.dense": 2, "layer.1.attention.self.key": 5},
            "alpha_pattern": {"intermediate.dense": 3, "attention.self.query": 11},
        },
        {"target_modules": r".*layer\.1.*\.(query|key)"},
        {"layers_to_transform": [1]},
        {"bias": "lora_only"},
        {"bias": "all"},
        {"modules_to_save": [HEAD, "LayerNorm", "word_embeddings"]},
        {"r": 40},  # more than any matrix can have
        {"target_modules": "all-linear", "modules_to_save": None},  # the head's two rows too
    ],
    ids=str,
)
def test_pefts_lora_is_read_at_its_logits(
    more: dict[str, Any], build_bert: Build, read_logits: Read, tmp_path: Path
) -> None:
    config = peft.LoraConfig(**({**USUAL, "modules_to_save": [HEAD]} | more))
    model = peft.get_peft_model(build_bert(), config)
    train(model)
    model.save_pretrained(tmp_path)
    logits = read_logits(model, BATCH)
    found = read_logits(reopen(tmp_path, build_bert()), BATCH)
    torch.testing.assert_close(found, logits, **CLOSE)
    assert (read_logits(build_bert(), BATCH) - logits).abs().max() > 0.1


@pytest.mark.filterwarnings("ignore:OLoRA changes the base weights")
def test_an_adapter_that_changed_its_base_is_read_once_peft_has_converted_it(
    build_bert: Build, read_logits: Read, tmp_path: Path
) -> None:
    config = peft.LoraConfig(**USUAL, init_lora_weights="olora")
    model = peft.get_peft_model(build_bert(), config)
    model.peft_config["default"].init_lora_weights = True  # as PEFT's own guide has it
    model.save_pretrained(tmp_path / "start")
    model.peft_config["default"].init_lora_weights = "olora"
    train(model)
    logits = read_logits(model, BATCH)
    model.save_pretrained(tmp_path / "plain")
    model.save_pretrained(
        tmp_path / "converted", path_initial_model_for_weight_conversion=str(tmp_path / "start")
    )
    found = read_logits(reopen(tmp_path / "converted", build_bert()), BATCH)
    torch.testing.assert_close(found, logits, **CLOSE)
    with pytest.raises(AdapterError, match="init_lora_weights is 'olora', which changed the base"):
        reopen(tmp_path / "plain", build_bert())


@pytest.mark.parametrize("target_r", [1, 3])
def test_pefts_pruned_adalora_is_read_at_its_logits(
    target_r: int, build_bert: Build, read_logits: Read, tmp_path: Path
) -> None:
    config = peft.AdaLoraConfig(
        init_r=4,
        target_r=target_r,
        lora_alpha=9,
        tinit=1,
        tfinal=2,
        deltaT=1,
        total_step=8,
        target_modules=["query", "key", "value", "dense"],
        modules_to_save=[HEAD],
    )
    model = peft.get_peft_model(build_bert(), config)
    train(model, model.base_model.update_and_allocate)
    model.save_pretrained(tmp_path)
    ranks = {
        name: tensor.shape[0]
        for name, tensor in read_adapter(tmp_path)[1].items()
        if name.endswith("lora_E")
    }
    assert len(set(ranks.values())) > 1, "some were pruned more than others"
    found = read_logits(reopen(tmp_path, build_bert()), BATCH)
    torch.testing.assert_close(found, read_logits(model, BATCH), **CLOSE)


def test_peft_opens_our_adalora_folder_at_our_logits(
    build_bert: Build, read_logits: Read, tmp_path: Path
) -> None:
    model = build_bert()
    paths = resolve_targets(linear_paths(model, outside=[HEAD]), WORDS, model_type="bert")
    layers = inject_adapters(
        model, paths, head=[HEAD], build=lambda _, linear: SVDLinear(linear, r=4, alpha=12)
    )
    train(model)
    torch.manual_seed(2)
    for layer in layers.values():
        layer.keep_triplets(torch.rand(4) < 0.6)
    head = {name: p for name, p in model.named_parameters() if name.startswith(f"{HEAD}.")}
    updates = {path: layer.to_plain_lora() for path, layer in layers.items() if layer.rank}
    assert len({update.lora_A.shape[0] for update in updates.values()}) > 1
    folder = export_adalora(updates, head, head_modules=[HEAD], base_model="")
    write_adapter(tmp_path, folder.config, folder.tensors)
    logits = read_logits(model, BATCH)
    opened = peft.PeftModel.from_pretrained(build_bert(), tmp_path)
    torch.testing.assert_close(read_logits(opened, BATCH), logits, **CLOSE)
    torch.testing.assert_close(read_logits(reopen(tmp_path, build_bert()), BATCH), logits, **CLOSE)
