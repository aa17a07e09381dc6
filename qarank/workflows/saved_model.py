"""Opens what can answer questions: a run's checkpoint, or any folder that from_pretrained opens."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import AutoModelForQuestionAnswering, PretrainedConfig, PreTrainedTokenizerBase

from qarank.adapters.lora import LoRALinear
from qarank.adapters.peft_format import AdapterFolder, load_updates
from qarank.artifacts.checkpoint import is_adapter, is_full_model, read_adapter, verify_checkpoint
from qarank.artifacts.find_run import find_checkpoint, is_run, naming_folder
from qarank.artifacts.names import ANSWERING
from qarank.artifacts.run_dir import RunDir
from qarank.config.load import load_recipe
from qarank.config.schema import EvalConfig, Recipe
from qarank.engine.precision import Precision, check_precision, default_device, resolve_precision
from qarank.errors import CheckpointError, ModelError
from qarank.workflows.adapt import autocast_for, cast_frozen
from qarank.workflows.fingerprint import MODEL, fingerprint_model
from qarank.workflows.foreign_model import open_folder
from qarank.workflows.manner import Manner
from qarank.workflows.model import (
    HEAD,
    count_positions,
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
class OpenedModel:
    """A model that answers questions.

    Attributes:
        folder: it came from: a checkpoint's, or any.
        base: name or path of the pretrained model.
        revision: of the base on the hub.
        run: the run that the folder is a checkpoint of; None for any other.
        manner: how it answers.
        settings: of its evaluations.
        reader: the model itself.
        layers: path -> adapter, of matrices of rank 1 or more; empty for a full model.
        is_adapter: whether the folder holds one, though it be of rank 0 everywhere.
        tokenizer: the model's.
    """

    folder: Path
    base: str
    revision: str | None
    run: SavedRun | None
    manner: Manner
    settings: EvalConfig
    reader: Reader
    layers: dict[str, LoRALinear]
    is_adapter: bool
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


def open_model(path: Path, *, precision: str | None = None) -> OpenedModel:
    """Load a model, ready to answer.

    Args:
        path: a run, a checkpoint, a PEFT adapter, or a model with a question-answering head.
        precision: fp32, bf16, fp16 or auto; None takes the recipe's, fp32 where there is none.

    Raises:
        RunDirError: it is none of these.
        CheckpointError, AdapterError, ModelError, HubError: it cannot be opened.
    """
    if precision is not None:
        resolve_precision(precision, default_device())  # refused before anything is loaded
    if is_run(path):
        return _open_run(find_run(path), precision)
    found = open_folder(path)
    manner = Manner.of_folder(path, num_positions=count_positions(found.config))
    reader = _make_reader(
        found.model, found.config, found.tokenizer, precision or "fp32", adapted=found.is_adapter
    )
    return OpenedModel(
        folder=path,
        base=found.base,
        revision=found.revision,
        run=None,
        manner=manner,
        settings=manner.eval_settings(),
        reader=reader,
        layers=found.layers,
        is_adapter=found.is_adapter,
        tokenizer=found.tokenizer,
    )


def _open_run(saved: SavedRun, precision: str | None) -> OpenedModel:
    recipe = saved.recipe
    source = find_model(recipe.model)
    config = load_config(source, recipe.model)
    tokenizer = load_tokenizer(source)
    if is_adapter(saved.checkpoint):
        _require_same_base(saved, source)
    model, layers = load_checkpoint_layers(saved.checkpoint, source, config)
    chosen = precision or recipe.train.precision
    adapted = recipe.adapter.type != "none"
    reader = _make_reader(model, config, tokenizer, chosen, adapted=adapted)
    manner = _read_manner(saved)
    return OpenedModel(
        folder=saved.checkpoint,
        base=recipe.model.name_or_path,
        revision=recipe.model.revision,
        run=saved,
        manner=manner,
        settings=recipe.eval,
        reader=reader,
        layers=layers,
        is_adapter=is_adapter(saved.checkpoint),
        tokenizer=tokenizer,
    )


def _require_same_base(saved: SavedRun, source: ModelSource) -> None:
    """Refuse to put an adapter on other weights than those it was trained on.

    Raises:
        ModelError: the base's files are others than when the run began.
    """
    now = fingerprint_model(source)
    then = saved.run_dir.read_run().get("fingerprints", {}).get(MODEL, now)
    if now is not None and then != now:
        raise ModelError(
            f"model.name_or_path: {source.location} has changed since {saved.run_dir.path} was "
            "trained on it; put the files back that its adapter belongs to"
        )


def _read_manner(saved: SavedRun) -> Manner:
    """The checkpoint's; one of an older version has the recipe's."""
    if (saved.checkpoint / ANSWERING).is_file():
        return Manner.of_folder(saved.checkpoint)
    asked = saved.recipe.eval.null_threshold
    return Manner.of_recipe(
        saved.recipe,
        null_threshold=None if isinstance(asked, str) else asked,
        with_null=bool(saved.run_dir.read_run().get("version_2_with_negative")),
    )


def _make_reader(
    model: nn.Module,
    config: PretrainedConfig,
    tokenizer: PreTrainedTokenizerBase,
    precision: str,
    *,
    adapted: bool,
) -> Reader:
    """On the best device there is, its frozen part in the precision asked for."""
    device = default_device()
    chosen = resolve_precision(precision, device)
    check_precision(chosen, config.model_type)
    if adapted:
        cast_frozen(model, chosen)
    return Reader(
        model.to(device).eval(),
        device,
        pad_token_id=tokenizer.pad_token_id,
        padding_side=tokenizer.padding_side,
        autocast=autocast_for(chosen, device, adapted=adapted),
    )


def load_checkpoint_model(
    checkpoint: Path, source: ModelSource, config: PretrainedConfig, precision: Precision
) -> nn.Module:
    """A checkpoint's model, adapters in place, its frozen part cast."""
    model, _ = load_checkpoint_layers(checkpoint, source, config)
    if is_adapter(checkpoint):
        cast_frozen(model, precision)
    return model


def load_checkpoint_layers(
    checkpoint: Path, source: ModelSource, config: PretrainedConfig
) -> tuple[nn.Module, dict[str, LoRALinear]]:
    """A checkpoint's model in float32 and its adapters, none for a full model."""
    if is_adapter(checkpoint):
        model = load_base_model(source, config, seed=0)
        folder = AdapterFolder(*read_adapter(checkpoint))
        with naming_folder(checkpoint):
            return model, load_updates(model, folder, head=[HEAD])
    if is_full_model(checkpoint):
        with quiet_transformers():
            model = AutoModelForQuestionAnswering.from_pretrained(checkpoint, dtype=torch.float32)
        return model, {}
    raise CheckpointError(f"{checkpoint} holds neither an adapter nor a full model")
