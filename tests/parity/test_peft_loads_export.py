"""Stock PEFT and transformers open what we export and answer alike, mid-schedule."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from torch import Tensor, nn
from transformers import BertConfig, BertForQuestionAnswering

from qarank.adapters.inject import inject_adapters, linear_paths
from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.lora import LoRALinear
from qarank.adapters.peft_format import export_plain_lora
from qarank.adapters.svd import SVDLinear
from qarank.adapters.targets import WORDS, resolve_targets
from qarank.artifacts.checkpoint import write_adapter

# PEFT itself reads what transformers has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")

HEAD = "qa_outputs"
RANK_0 = "bert.encoder.layer.1.output.dense"  # its namesake in attention keeps its rank
CLOSE = {"atol": 1e-5, "rtol": 1e-5}


@dataclass(frozen=True)
class Exported:
    """Where the base and the adapter lie, what was read, and what the trained model said."""

    base: Path
    adapter: Path
    ranks: dict[str, int]
    batch: dict[str, Tensor]
    logits: Tensor

    def load_base(self) -> BertForQuestionAnswering:
        return BertForQuestionAnswering.from_pretrained(self.base, dtype=torch.float32)


@torch.no_grad()
def read(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    output = model.eval()(**batch)
    return torch.stack([output.start_logits, output.end_logits])


def train(model: nn.Module, layers: dict[str, AdaptedLinear], batch: dict[str, Tensor]) -> None:
    """Until every weight counts; cut on the way, and let what was cut regrow."""
    labels = {"start_positions": torch.tensor([6, 7, 0]), "end_positions": torch.tensor([9, 8, 0])}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for step in range(6):
        optimizer.zero_grad()
        model(**batch, **labels).loss.backward()
        optimizer.step()
        if step == 3:
            for path, layer in layers.items():
                layer.keep_triplets((torch.rand(4) < 0.6) & (path != RANK_0))


@pytest.fixture(params=[SVDLinear, LoRALinear], ids=["svd", "frd"])
def exported(request: pytest.FixtureRequest, tmp_path: Path) -> Exported:
    torch.manual_seed(4)
    config = BertConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        vocab_size=40,
        max_position_embeddings=16,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BertForQuestionAnswering(config)
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    model.save_pretrained(base)
    paths = resolve_targets(linear_paths(model, outside=[HEAD]), WORDS, model_type="bert")
    layers = inject_adapters(
        model,
        paths,
        head=[HEAD],
        build=lambda _, linear: request.param(linear, r=4, alpha=12, dropout=0.0),
    )
    batch = {
        "input_ids": torch.randint(40, (3, 12)),
        "token_type_ids": (torch.arange(12) > 5).long().expand(3, -1),
        "attention_mask": (torch.arange(12) < torch.tensor([[12], [9], [7]])).long(),
    }
    train(model, layers, batch)
    head = {name: p for name, p in model.named_parameters() if name.startswith(f"{HEAD}.")}
    folder = export_plain_lora(layers, head, head_modules=[HEAD], base_model=str(base))
    adapter.mkdir()
    write_adapter(adapter, folder.config, folder.tensors)
    ranks = {path: layer.rank for path, layer in layers.items()}
    return Exported(base, adapter, ranks, batch, read(model, batch))


def lora_ranks(model: nn.Module) -> dict[str, int]:
    """Path in the base -> rank, of what PEFT wrapped."""
    return {
        name.removeprefix("base_model.model."): module.r["default"]
        for name, module in model.named_modules()
        if hasattr(module, "lora_A") and len(module.lora_A)
    }


def test_peft_opens_the_export_with_the_same_logits_and_ranks(exported: Exported) -> None:
    model = PeftModel.from_pretrained(exported.load_base(), exported.adapter)
    torch.testing.assert_close(read(model, exported.batch), exported.logits, **CLOSE)
    kept = {path: rank for path, rank in exported.ranks.items() if rank}
    assert lora_ranks(model) == kept
    assert RANK_0 not in kept and len(set(kept.values())) > 1


def test_transformers_load_adapter_opens_it_with_the_same_logits(exported: Exported) -> None:
    model = exported.load_base()
    model.load_adapter(str(exported.adapter))
    torch.testing.assert_close(read(model, exported.batch), exported.logits, **CLOSE)


def test_peft_merges_it_into_the_same_dense_model(exported: Exported) -> None:
    model = PeftModel.from_pretrained(exported.load_base(), exported.adapter).merge_and_unload()
    torch.testing.assert_close(read(model, exported.batch), exported.logits, **CLOSE)


def test_base_head_and_token_types_each_make_a_difference(exported: Exported) -> None:
    """Otherwise equal logits would say little."""
    base = exported.load_base()
    assert (read(base, exported.batch) - exported.logits).abs().max() > 0.1
    model = PeftModel.from_pretrained(exported.load_base(), exported.adapter)
    untyped = {k: v for k, v in exported.batch.items() if k != "token_type_ids"}
    assert (read(model, untyped) - exported.logits).abs().max() > 1e-3
    trained_head = model.get_submodule(f"base_model.model.{HEAD}").modules_to_save["default"]
    assert not torch.equal(trained_head.weight, base.qa_outputs.weight)


def test_the_files_are_pefts_own_two(exported: Exported) -> None:
    names = {path.name for path in exported.adapter.iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors"}
    assert json.loads((exported.adapter / "adapter_config.json").read_text())["r"] >= 1
    with safe_open(exported.adapter / "adapter_model.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
