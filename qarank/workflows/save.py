"""Writes a model in training as a checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.peft_format import export_plain_lora
from qarank.artifacts.atomic import write_json, write_text
from qarank.artifacts.checkpoint import (
    new_checkpoint,
    write_adapter,
    write_state,
)
from qarank.artifacts.names import MODEL_CARD, RANK_PATTERN
from qarank.config.schema import Recipe
from qarank.workflows.manner import Manner
from qarank.workflows.model import HEAD, quiet_transformers
from qarank.workflows.model_card import render_model_card


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    layers: Mapping[str, AdaptedLinear],
    *,
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
    manner: Manner,
    state: Mapping[str, Tensor],
    facts: Mapping[str, Any],
) -> None:
    """Write a whole checkpoint in one move.

    Args:
        folder: its name to be.
        model: in training.
        layers: path -> adapter; empty saves a full transformers model.
        recipe: of the run.
        tokenizer: saved beside a full model.
        manner: how the model answers.
        state: tensors to resume from.
        facts: JSON values to resume from; `global_step` and `metrics` go on the model card.
    """
    with new_checkpoint(folder) as beside:
        if layers:
            _write_adapter_files(beside, model, layers, recipe)
        else:
            with quiet_transformers():
                model.save_pretrained(beside)  # type: ignore[operator]  # a PreTrainedModel
            tokenizer.save_pretrained(beside)
        ranks = {path: layer.rank for path, layer in layers.items()}
        card = render_model_card(recipe, ranks=ranks, facts=facts, manner=manner)
        write_text(beside / MODEL_CARD, card)
        manner.write(beside)
        write_state(beside, state, facts)


def describe_ranks(layers: Mapping[str, AdaptedLinear], recipe: Recipe) -> dict[str, Any]:
    """rank_pattern.json: which triplets each matrix keeps, readable without torch."""
    return {
        "type": recipe.adapter.type,
        "r": recipe.adapter.r,
        "alpha": recipe.adapter.alpha,
        "matrices": {
            path: {
                "rank": layer.rank,
                "kept": layer.rank_mask.tolist(),
                "in_features": layer.in_features,
                "out_features": layer.out_features,
            }
            for path, layer in layers.items()
        },
    }


def _write_adapter_files(
    folder: Path, model: nn.Module, layers: Mapping[str, AdaptedLinear], recipe: Recipe
) -> None:
    head = {name: p for name, p in model.named_parameters() if name.startswith(f"{HEAD}.")}
    adapter = export_plain_lora(
        layers,
        head,
        head_modules=[HEAD],
        base_model=recipe.model.name_or_path,
        revision=recipe.model.revision,
    )
    write_adapter(folder, adapter.config, adapter.tensors)
    write_json(folder / RANK_PATTERN, describe_ranks(layers, recipe))
