"""Adapters that PEFT made are read at its logits, and it opens our AdaLoRA folders at ours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForQuestionAnswering

from qarank.adapters.inject import inject_adapters, linear_paths
from qarank.adapters.peft_adalora import export_adalora
from qarank.adapters.peft_format import AdapterFolder, load_updates
from qarank.adapters.svd import SVDLinear
from qarank.adapters.targets import WORDS, resolve_targets
from qarank.artifacts.checkpoint import read_adapter, write_adapter

# PEFT's own: a name that transformers renamed; and of its AdaLoRA, keys and rank-0 tensors that its
# LoRA code does not expect.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Adapter 'default'"),
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The following rank_pattern keys:RuntimeWarning"),
]
HEAD = "qa_outputs"
CLOSE = {"atol": 1e-5, "rtol": 1e-5}
BATCH = {
    "input_ids": torch.arange(24).reshape(2, 12) % 40,
    "token_type_ids": (torch.arange(12) > 5).long().expand(2, -1),
    "attention_mask": torch.ones(2, 12, dtype=torch.int64),
}
LABELS = {"start_positions": torch.tensor([6, 7]), "end_positions": torch.tensor([9, 8])}


def build_base() -> nn.Module:
    torch.manual_seed(5)
    return BertForQuestionAnswering(
        BertConfig(
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=24,
            vocab_size=40,
            max_position_embeddings=16,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )


@torch.no_grad()
def read(model: nn.Module) -> Tensor:
    output = model.eval()(**BATCH)
    return torch.stack([output.start_logits, output.end_logits])


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


def reopen(folder: Path) -> nn.Module:
    """Ours: a fresh base with what stands in the folder."""
    model = build_base()
    assert load_updates(model, AdapterFolder(*read_adapter(folder)), head=[HEAD])
    return model


@pytest.mark.parametrize(
    "more",
    [
        {"r": 3, "lora_alpha": 7},
        {"r": 3, "lora_alpha": 7, "use_rslora": True},
        {
            "r": 3,
            "lora_alpha": 7,
            "rank_pattern": {"output.dense": 2, "layer.1.attention.self.key": 5},
            "alpha_pattern": {"intermediate.dense": 3, "attention.self.query": 11},
        },
    ],
)
def test_peft_lora_with_module_suffixes_is_read_at_its_logits(
    more: dict[str, Any], tmp_path: Path
) -> None:
    config = peft.LoraConfig(
        target_modules=["query", "key", "dense"], modules_to_save=[HEAD], **more
    )
    model = peft.get_peft_model(build_base(), config)
    train(model)
    model.save_pretrained(tmp_path)
    torch.testing.assert_close(read(reopen(tmp_path)), read(model), **CLOSE)
    assert (read(build_base()) - read(model)).abs().max() > 0.1


@pytest.mark.parametrize("target_r", [1, 3])
def test_pefts_pruned_adalora_is_read_at_its_logits(target_r: int, tmp_path: Path) -> None:
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
    model = peft.get_peft_model(build_base(), config)
    train(model, model.base_model.update_and_allocate)
    model.save_pretrained(tmp_path)
    ranks = {
        name: tensor.shape[0]
        for name, tensor in read_adapter(tmp_path)[1].items()
        if name.endswith("lora_E")
    }
    assert len(set(ranks.values())) > 1, "some were pruned more than others"
    torch.testing.assert_close(read(reopen(tmp_path)), read(model), **CLOSE)


def test_peft_opens_our_adalora_folder_at_our_logits(tmp_path: Path) -> None:
    model = build_base()
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
    opened = peft.PeftModel.from_pretrained(build_base(), tmp_path)
    torch.testing.assert_close(read(opened), read(model), **CLOSE)
    torch.testing.assert_close(read(reopen(tmp_path)), read(model), **CLOSE)
