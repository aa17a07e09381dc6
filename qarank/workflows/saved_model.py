"""Opens what a run left: the model of a checkpoint, and the RUN argument of commands."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import AutoModelForQuestionAnswering, PretrainedConfig, PreTrainedTokenizerBase

from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.peft_format import AdapterFolder, load_plain_lora
from qarank.artifacts.checkpoint import (
    is_adapter,
    is_full_model,
    read_adapter,
    read_facts,
    verify_checkpoint,
)
from qarank.artifacts.run_dir import RunDir, find_checkpoint
from qarank.config.load import load_recipe
from qarank.config.schema import Recipe
from qarank.engine.precision import Precision, check_precision, default_device, resolve_precision
from qarank.errors import CheckpointError, DataError
from qarank.workflows.adapt import autocast_for, cast_frozen
from qarank.workflows.model import (
    HEAD,
    load_base_model,
    load_config,
    load_tokenizer,
    quiet_transformers,
)
from qarank.workflows.model_source import ModelSource, find_model
from qarank.workflows.reading import Reader


@dataclass(frozen=True)
class SavedRun:
    """A run folder and one of its checkpoints.

    Attributes:
        run_dir: the folder.
        checkpoint: the checkpoint's folder.
        recipe: the run's.
    """

    run_dir: RunDir
    checkpoint: Path
    recipe: Recipe


@dataclass(frozen=True)
class OpenedRun:
    """A saved run whose model answers questions.

    Attributes:
        saved: where it came from.
        reader: its model.
        layers: path -> adapter; empty for a full model.
        tokenizer: the model's.
    """

    saved: SavedRun
    reader: Reader
    layers: dict[str, AdaptedLinear]
    tokenizer: PreTrainedTokenizerBase


def find_run(path: Path) -> SavedRun:
    """A run folder means its best checkpoint; a checkpoint folder means itself.

    Raises:
        RunDirError: it is neither.
        CheckpointError: the run has no checkpoint yet, or the one asked for is damaged.
    """
    checkpoint = find_checkpoint(path)
    verify_checkpoint(checkpoint)
    run_dir = RunDir(checkpoint.parent.parent)
    return SavedRun(run_dir, checkpoint, load_recipe(run_dir.recipe_path))


def open_run(path: Path, *, precision: str | None = None) -> OpenedRun:
    """Load a run's model, ready to answer.

    Args:
        path: a run or a checkpoint.
        precision: fp32, bf16, fp16 or auto; None takes the recipe's.
    """
    saved = find_run(path)
    recipe = saved.recipe
    device = default_device()
    chosen = resolve_precision(precision or recipe.train.precision, device)
    source = find_model(recipe.model)
    config = load_config(source, recipe.model)
    check_precision(chosen, config.model_type)
    tokenizer = load_tokenizer(source)
    model, layers = load_checkpoint_layers(saved.checkpoint, source, config)
    if layers:
        cast_frozen(model, chosen)
    reader = Reader(
        model.to(device).eval(),
        device,
        pad_token_id=tokenizer.pad_token_id,
        padding_side=tokenizer.padding_side,
        autocast=autocast_for(recipe.adapter, chosen, device),
    )
    return OpenedRun(saved, reader, layers, tokenizer)


def choose_threshold(saved: SavedRun, asked: float | None, *, with_null: bool) -> float | None:
    """The null threshold to answer with; None where every question has an answer.

    Args:
        saved: the run, and its checkpoint.
        asked: by the user; None takes the recipe's, or the one tuned for the checkpoint.
        with_null: whether "no answer" is allowed.

    Raises:
        DataError: one is asked for where it decides nothing.
        CheckpointError: none was tuned for this checkpoint.
    """
    if not with_null:
        if asked is not None:
            raise DataError(
                f"{saved.checkpoint} was trained on questions that all have an answer, so a null"
                " threshold decides nothing; leave it out"
            )
        return None
    if asked is not None:
        return asked
    of_recipe = saved.recipe.eval.null_threshold
    if not isinstance(of_recipe, str):
        return of_recipe
    tuned = read_facts(saved.checkpoint).get("null_threshold")
    if tuned is None:
        raise CheckpointError(
            f"{saved.checkpoint} was saved out of turn, before its null threshold was tuned; give"
            " --null-threshold, or go on with the run"
        )
    return float(tuned)


def load_checkpoint_model(
    checkpoint: Path, source: ModelSource, config: PretrainedConfig, precision: Precision
) -> nn.Module:
    """A checkpoint's model, adapters in place, its frozen part cast."""
    model, layers = load_checkpoint_layers(checkpoint, source, config)
    if layers:
        cast_frozen(model, precision)
    return model


def load_checkpoint_layers(
    checkpoint: Path, source: ModelSource, config: PretrainedConfig
) -> tuple[nn.Module, dict[str, AdaptedLinear]]:
    """A checkpoint's model in float32 and its adapters, none for a full model."""
    if is_adapter(checkpoint):
        model = load_base_model(source, config, seed=0)
        folder = AdapterFolder(*read_adapter(checkpoint))
        return model, load_plain_lora(model, folder, head=[HEAD])
    if is_full_model(checkpoint):
        with quiet_transformers():
            model = AutoModelForQuestionAnswering.from_pretrained(checkpoint, dtype=torch.float32)
        return model, {}
    raise CheckpointError(f"{checkpoint} holds neither an adapter nor a full model")
