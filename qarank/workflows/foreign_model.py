"""Opens folders that no run of ours stands behind: PEFT's adapters, and models with a head."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from qarank.adapters.lora import LoRALinear
from qarank.adapters.merge import merge_adapters
from qarank.adapters.peft_format import AdapterFolder, load_updates
from qarank.adapters.peft_method import check_method
from qarank.adapters.peft_updates import read_head
from qarank.artifacts.checkpoint import is_adapter, is_full_model, read_adapter, verify_checkpoint
from qarank.artifacts.find_run import describe_misfit, naming_folder
from qarank.artifacts.names import MANIFEST
from qarank.config.schema import ModelConfig
from qarank.errors import AdapterError, HubError, ModelError, RunDirError
from qarank.workflows.model import (
    HEAD,
    load_base_model,
    load_config,
    load_reader,
    load_tokenizer,
)
from qarank.workflows.model_source import ModelSource, find_model

LOG = logging.getLogger("qarank")
TOKENIZER_FILES = ("tokenizer.json", "spm.model", "spiece.model", "vocab.txt", "vocab.json")


@dataclass(frozen=True)
class FoundModel:
    """What a folder held.

    Attributes:
        model: in float32.
        layers: path -> adapter, of matrices of rank 1 or more; empty for a full model.
        is_adapter: whether it held one, though it be of rank 0 everywhere.
        config: the model's.
        tokenizer: the folder's, or its base's.
        base: name or path of the base of an adapter, or of the model itself.
        revision: of the base on the hub.
    """

    model: nn.Module
    layers: dict[str, LoRALinear]
    is_adapter: bool
    config: PretrainedConfig
    tokenizer: PreTrainedTokenizerBase
    base: str
    revision: str | None


def open_folder(path: Path) -> FoundModel:
    """The model of a folder.

    Raises:
        RunDirError: it holds neither an adapter nor a model.
        AdapterError, ModelError, HubError: what it holds cannot be read, or its base not be found.
        CheckpointError: it is a damaged checkpoint.
    """
    if (path / MANIFEST).is_file():
        verify_checkpoint(path)
    if is_adapter(path):
        with naming_folder(path):
            return _open_adapter(path)
    if is_full_model(path):
        if not has_tokenizer(path):
            raise ModelError(
                f"{path} has no tokenizer: one of {', '.join(TOKENIZER_FILES)} must stand with it"
            )
        source = ModelSource(str(path), {})
        config = load_config(source, ModelConfig(name_or_path=str(path)))
        model = load_reader(source, config)
        return FoundModel(model, {}, False, config, load_tokenizer(source), str(path), None)
    raise RunDirError(describe_misfit(path))


def has_tokenizer(path: Path) -> bool:
    """Whether a folder brings its own; without one, transformers would make up an empty one."""
    return any((path / name).is_file() for name in TOKENIZER_FILES)


def _open_adapter(path: Path) -> FoundModel:
    folder = AdapterFolder(*read_adapter(path))
    check_method(folder.config)
    base, revision = _name_base(folder.config)
    settings = ModelConfig(name_or_path=base, revision=revision)
    try:
        source = find_model(settings)
        config = load_config(source, settings)
        brings_head = any(name.startswith(f"{HEAD}.") for name in read_head(folder.tensors))
        if brings_head:
            model = load_base_model(source, config, seed=0)
        else:
            model = load_reader(source, config)
    except (ModelError, HubError) as error:
        raise type(error)(f"{path}: of its base: {error}") from error
    layers = load_updates(model, folder, head=[HEAD] if brings_head else [])
    if HEAD in layers:  # as of PEFT's all-linear: a head is whole, in whatever form it is written
        merge_adapters(model, {HEAD: layers.pop(HEAD)})
    tokenizer = load_tokenizer(ModelSource(str(path), {}) if has_tokenizer(path) else source)
    if folder.config.get("task_type") == "QUESTION_ANS":
        _drop_token_types(path, tokenizer)
    return FoundModel(model, layers, True, config, tokenizer, base, revision)


def _name_base(config: dict[str, Any]) -> tuple[str, str | None]:
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise AdapterError("adapter_config.json names no base_model_name_or_path")
    return base, config.get("revision")


def _drop_token_types(path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Feed the model as it was trained: PEFT's question-answering wrapper passes no token types."""
    if "token_type_ids" in tokenizer.model_input_names:
        names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
        tokenizer.model_input_names = names
        tokenizer.init_kwargs["model_input_names"] = names  # what is saved with it
        LOG.info("%s: task_type QUESTION_ANS, PEFT passes no token types: nor do we", path)
