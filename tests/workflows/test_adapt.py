from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForQuestionAnswering

from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.orthogonality import orthogonality_penalty
from qarank.config.rank_schema import AdapterConfig
from qarank.workflows.adapt import adapt_model, autocast_for, build_penalty, cast_frozen

PATHS = ["bert.encoder.layer.0.attention.self.query", "bert.encoder.layer.0.output.dense"]
INPUTS = {"input_ids": torch.tensor([[1, 2, 3, 4]])}


@pytest.fixture
def model() -> nn.Module:
    """A BERT of one layer."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=8,
    )
    return BertForQuestionAnswering(config).eval()


def logits_of(model: nn.Module) -> Tensor:
    output = model(**INPUTS)
    return torch.stack([output.start_logits, output.end_logits])


def trained_names(model: nn.Module) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("kind", ["svd", "frd"])
def test_a_fresh_adapter_is_bit_for_bit_the_base(kind: Any, model: nn.Module) -> None:
    before = logits_of(model)
    layers = adapt_model(model, PATHS, AdapterConfig(type=kind, r=4), seed=1)
    model.eval()
    assert list(layers) == PATHS
    assert torch.equal(logits_of(model), before)


def test_adapters_and_head_train_and_nothing_else(model: nn.Module) -> None:
    adapt_model(model, PATHS, AdapterConfig(type="svd", r=4), seed=1)
    low_rank = {f"{path}.lora_{letter}" for path in PATHS for letter in "ABE"}
    assert trained_names(model) == low_rank | {"qa_outputs.weight", "qa_outputs.bias"}


def test_without_an_adapter_the_head_alone_trains(model: nn.Module) -> None:
    assert adapt_model(model, [], AdapterConfig(type="none"), seed=1) == {}
    assert trained_names(model) == {"qa_outputs.weight", "qa_outputs.bias"}


def test_full_trains_every_weight(model: nn.Module) -> None:
    assert adapt_model(model, [], AdapterConfig(type="none", full=True), seed=1) == {}
    assert len(trained_names(model)) == len(list(model.parameters()))


def test_adapters_depend_on_the_seed_alone(model: nn.Module) -> None:
    torch.manual_seed(123)  # as a head drawn before would leave it
    layers = adapt_model(model, PATHS, AdapterConfig(type="svd", r=4), seed=1)
    drawn = layers[PATHS[0]].lora_A.detach().clone()
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.empty(4, 16).normal_(std=0.02))


def test_the_recipe_reaches_the_adapters(model: nn.Module) -> None:
    config = AdapterConfig(type="svd", r=4, alpha=8, dropout=0.25, init="orthogonal")
    layer = adapt_model(model, PATHS, config, seed=1)[PATHS[0]]
    assert layer.scaling == 2.0
    assert isinstance(layer.dropout, nn.Dropout) and layer.dropout.p == 0.25
    assert torch.allclose(layer.lora_A @ layer.lora_A.T, torch.eye(4), atol=1e-6)


def test_in_bf16_the_base_is_half_and_what_trains_is_not(model: nn.Module) -> None:
    adapt_model(model, PATHS, AdapterConfig(type="svd", r=4), seed=1)
    cast_frozen(model, "bf16")
    for name, parameter in model.named_parameters():
        expected = torch.float32 if parameter.requires_grad else torch.bfloat16
        assert parameter.dtype == expected, name
    assert logits_of(model).dtype == torch.float32


def test_in_bf16_logits_are_not_rounded_to_half(model: nn.Module) -> None:
    adapt_model(model, PATHS, AdapterConfig(type="svd", r=4), seed=1)
    cast_frozen(model, "bf16")
    logits = logits_of(model)
    assert not torch.equal(logits, logits.bfloat16().float())


def test_in_fp32_nothing_is_cast(model: nn.Module) -> None:
    adapt_model(model, PATHS, AdapterConfig(type="svd", r=4), seed=1)
    cast_frozen(model, "fp32")
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not model.get_submodule("qa_outputs")._forward_pre_hooks


def test_only_full_fine_tuning_in_half_autocasts() -> None:
    cpu = torch.device("cpu")
    assert autocast_for("bf16", cpu, adapted=True) is nullcontext
    assert autocast_for("fp32", cpu, adapted=False) is nullcontext
    with autocast_for("bf16", cpu, adapted=False)():
        assert torch.is_autocast_enabled("cpu")


def test_no_penalty_where_it_weighs_nothing(model: nn.Module) -> None:
    layers = adapt_model(model, PATHS, AdapterConfig(type="svd", r=4), seed=1)
    assert build_penalty(layers, 0.0) is None
    assert build_penalty({}, 0.1) is None


def test_the_penalty_is_weighted(model: nn.Module) -> None:
    layers = adapt_model(model, PATHS, AdapterConfig(type="svd", r=4), seed=1)
    penalty = build_penalty(layers, 0.3)
    assert penalty is not None
    expected = 0.3 * orthogonality_penalty(layers.values())
    assert torch.allclose(penalty(), expected)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("adapter", ["svd", "frd"])
def test_a_small_deberta_v2_trains_and_is_reloaded(
    adapter: str,
    precision: str,
    tiny_deberta_dir: Path,
    train_tiny: Callable[..., Any],
) -> None:
    finished = train_tiny(
        model={"name_or_path": str(tiny_deberta_dir)},
        adapter={"type": adapter, "r": 4},
        allocator={"type": "adalora", "target_r": 2, "tinit": 0, "tfinal": 1, "delta_t": 1},
        train={"max_steps": 3, "batch_size": 4, "learning_rate": 0.01, "precision": precision},
    )
    assert sum(finished.run["result"]["ranks"].values()) == 24
    assert finished.run["result"]["num_skipped"] == 0


def test_the_layers_of_a_small_deberta_v2_are_the_readmes_six(
    tiny_deberta_dir: Path, train_tiny: Callable[..., Any]
) -> None:
    finished = train_tiny(
        model={"name_or_path": str(tiny_deberta_dir)},
        adapter={"type": "frd", "r": 2},
        allocator={"type": "none"},
        train={"max_steps": 1, "batch_size": 4},
    )
    names = {path.split("layer.0.")[-1] for path in finished.run["plan"]["matrices"]}
    assert {
        "attention.self.query_proj",
        "attention.self.key_proj",
        "attention.self.value_proj",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    } <= names


def test_layers_are_adapters(model: nn.Module) -> None:
    layers = adapt_model(model, PATHS, AdapterConfig(type="frd", r=4), seed=1)
    assert all(isinstance(layer, AdaptedLinear) for layer in layers.values())
