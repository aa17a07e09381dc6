"""What a checkpoint holds, on a run that was pruned."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from qarank.artifacts.checkpoint import read_state, verify_checkpoint
from qarank.engine.optim import build_optimizer
from qarank.workflows.run_state import optimizer_tensors


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def test_a_checkpoint_is_a_plain_lora_folder_with_its_state(pruned_run: Any) -> None:
    files = {
        path.relative_to(pruned_run.last_checkpoint).as_posix()
        for path in pruned_run.last_checkpoint.rglob("*")
        if path.is_file()
    }
    assert files == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "README.md",
        "rank_pattern.json",
        "answering.json",
        "manifest.json",
        "state/tensors.safetensors",
        "state/state.json",
    }
    verify_checkpoint(pruned_run.last_checkpoint)


def test_the_adapter_holds_the_kept_triplets_and_the_head_alone(pruned_run: Any) -> None:
    ranks = {path: rank for path, rank in pruned_run.run["result"]["ranks"].items() if rank}
    config = read(pruned_run.last_checkpoint / "adapter_config.json")
    tensors = load_file(pruned_run.last_checkpoint / "adapter_model.safetensors")
    prefix = "base_model.model."
    assert len(ranks) < 12  # some matrix is at rank 0
    assert config["rank_pattern"] == ranks
    assert config["alpha_pattern"] == {path: 64 * rank / 4 for path, rank in ranks.items()}
    assert config["task_type"] is None
    assert config["modules_to_save"] == ["qa_outputs"]
    heads = {f"{prefix}qa_outputs.weight", f"{prefix}qa_outputs.bias"}
    low_rank = {f"{prefix}{path}.lora_{letter}.weight" for path in ranks for letter in "AB"}
    assert set(tensors) == heads | low_rank
    for path, rank in ranks.items():
        assert tensors[f"{prefix}{path}.lora_A.weight"].shape[0] == rank
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}


def test_the_rank_pattern_says_which_triplets_stay(pruned_run: Any) -> None:
    pattern = read(pruned_run.last_checkpoint / "rank_pattern.json")
    assert (pattern["type"], pattern["r"], pattern["alpha"]) == ("svd", 4, 64)
    matrices = pattern["matrices"]
    found = {path: entry["rank"] for path, entry in matrices.items()}
    assert found == pruned_run.run["result"]["ranks"]
    assert all(sum(entry["kept"]) == entry["rank"] for entry in matrices.values())
    assert matrices["bert.encoder.layer.0.intermediate.dense"]["out_features"] == 48


def test_the_state_holds_all_a_run_is_resumed_from(pruned_run: Any) -> None:
    tensors, facts = read_state(pruned_run.last_checkpoint)
    query = "bert.encoder.layer.0.attention.self.query"
    for letter in "ABE":
        assert f"model.{query}.lora_{letter}" in tensors
        assert f"optimizer.{query}.lora_{letter}.exp_avg" in tensors
    assert "model.qa_outputs.weight" in tensors
    assert "generator.cpu.0" in tensors
    assert int(tensors["allocator.mask"].sum()) == 8
    assert not any("word_embeddings" in name for name in tensors)  # the base stays where it is
    assert (facts["global_step"], facts["total_steps"], facts["loop"]["num_skipped"]) == (12, 12, 0)


@pytest.mark.parametrize("full", [True, False])
def test_without_adapters_a_checkpoint_is_a_whole_transformers_model(
    full: bool, train_tiny: Callable[..., Any]
) -> None:
    finished = train_tiny(adapter={"type": "none", "full": full}, allocator={"type": "none"})
    names = {path.name for path in finished.last_checkpoint.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= names
    assert not {"adapter_config.json", "rank_pattern.json"} & names
    verify_checkpoint(finished.last_checkpoint)


def test_the_optimizers_averages_go_by_the_parameters_names() -> None:
    model = nn.Linear(2, 1)
    model.bias.requires_grad_(False)
    optimizer = build_optimizer([model.weight], learning_rate=0.1, weight_decay=0.0)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    tensors = optimizer_tensors(model, optimizer)
    assert {"optimizer.weight.exp_avg", "optimizer.weight.exp_avg_sq"} <= set(tensors)
    assert all(name.startswith("optimizer.weight.") for name in tensors)
