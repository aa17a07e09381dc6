"""Finds and loads pretrained models and tokenizers, by folder, hub name or installed package."""

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from qarank.config.schema import ModelConfig
from qarank.errors import HubError, ModelError
from qarank.hub import is_hub_reachable

HEAD = "qa_outputs"  # what every extractive head of transformers is called
PACKAGE_SCHEME = "package:"


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from.

    Attributes:
        location: what from_pretrained is given: a folder, or a hub name.
        options: its further arguments.
    """

    location: str
    options: Mapping[str, Any]


def find_model(model: ModelConfig) -> ModelSource:
    """Resolve a recipe's name_or_path.

    Raises:
        ModelError: no such folder or package.
        HubError: a hub name that is not cached while the hub is out of reach; told in seconds.
    """
    name = model.name_or_path
    options = {"revision": model.revision, "trust_remote_code": model.trust_remote_code}
    if name.startswith(PACKAGE_SCHEME):
        return ModelSource(str(_find_in_package(name)), {})
    if Path(name).is_dir():
        return ModelSource(name, {"trust_remote_code": model.trust_remote_code})
    if name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise ModelError(f"model.name_or_path: there is no folder {name}")
    cached = isinstance(try_to_load_from_cache(name, "config.json", revision=model.revision), str)
    if is_hub_reachable():
        return ModelSource(name, options)
    if cached:
        return ModelSource(name, {**options, "local_files_only": True})
    raise HubError(
        f"model.name_or_path: {name} is no folder here, and the hub cannot be reached; name a "
        "downloaded folder, package:MODULE/FOLDER, or set HF_HOME to a cache that holds it"
    )


def _find_in_package(name: str) -> Path:
    """package:MODULE/FOLDER -> the folder, found without importing the module."""
    module, _, folder = name.removeprefix(PACKAGE_SCHEME).partition("/")
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            f"model.name_or_path: {name} needs the Python package {module}, which is not installed"
            " (the quickstart's model comes with `pip install 'qarank[demo]'`)"
        )
    path = Path(spec.submodule_search_locations[0]) / folder
    if not (path / "config.json").is_file():
        raise ModelError(f"model.name_or_path: package {module} holds no model in {folder!r}")
    return path


def load_config(source: ModelSource, model: ModelConfig) -> PretrainedConfig:
    """The model's configuration, with the recipe's dropout and attention."""
    config = _open(AutoConfig, source)
    if model.dropout is not None:
        set_dropout(config, model.dropout)
    if model.attn_implementation is not None:
        config._attn_implementation = model.attn_implementation
    return config


def set_dropout(config: PretrainedConfig, dropout: float) -> None:
    """Set every dropout probability of a configuration, whatever the architecture calls it."""
    for key, value in config.to_dict().items():
        if "dropout" in key and isinstance(value, int | float) and not isinstance(value, bool):
            setattr(config, key, dropout)


def load_tokenizer(source: ModelSource) -> PreTrainedTokenizerBase:
    """The fast tokenizer of a model.

    Raises:
        ModelError: there is only a slow one, which gives no offsets.
    """
    tokenizer = _open(AutoTokenizer, source)
    if not tokenizer.is_fast:
        raise ModelError(
            f"{source.location}: {type(tokenizer).__name__} is a slow tokenizer and gives no "
            "offsets; a fast one (tokenizer.json) is needed"
        )
    return tokenizer


def load_base_model(source: ModelSource, config: PretrainedConfig, *, seed: int) -> nn.Module:
    """The pretrained model with an extractive head, in float32.

    The dtype is said out loud: transformers 5 would keep a half-precision checkpoint's own.

    Args:
        source: where the weights are.
        config: from load_config.
        seed: of a head that the checkpoint does not bring.
    """
    torch.manual_seed(seed)
    with quiet_transformers():
        model = _open(AutoModelForQuestionAnswering, source, config=config, dtype=torch.float32)
    require_head(model)
    return model  # type: ignore[no-any-return]


def build_meta_model(config: PretrainedConfig) -> nn.Module:
    """The same model without weights: shapes only, no memory."""
    with torch.device("meta"):
        model = AutoModelForQuestionAnswering.from_config(config)
    require_head(model)
    return model  # type: ignore[no-any-return]


def require_head(model: nn.Module) -> None:
    """Refuse a model whose question-answering head is not one linear called qa_outputs."""
    if not isinstance(getattr(model, HEAD, None), nn.Linear):
        raise ModelError(
            f"{type(model).__name__} has no head called {HEAD}; extractive models with one work"
        )


def _open(factory: Any, source: ModelSource, **more: Any) -> Any:
    try:
        return factory.from_pretrained(source.location, **source.options, **more)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{source.location} cannot be opened: {reason}") from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' load reports and bars off the terminal; ours say what matters."""
    verbosity = transformers_logging.get_verbosity()
    with_bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if with_bars:
            transformers_logging.enable_progress_bar()
