"""Loads pretrained models and tokenizers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError
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
from qarank.errors import ModelError
from qarank.workflows.model_source import ModelSource

HEAD = "qa_outputs"  # what every extractive head of transformers is called


def load_config(source: ModelSource, model: ModelConfig) -> PretrainedConfig:
    """The model's configuration, with the recipe's dropout and attention."""
    config = _open(AutoConfig, source)
    if model.dropout is not None:
        set_dropout(config, model.dropout)
    if model.attn_implementation is not None:
        config._attn_implementation = model.attn_implementation
    return config


def count_positions(config: PretrainedConfig) -> int | None:
    """Tokens that a model has absolute positions for; None where its positions are relative."""
    limit = getattr(config, "max_position_embeddings", None)
    # RoBERTa counts positions from pad_token_id + 1 on; a limit below 1 means relative positions.
    if config.model_type in {"roberta", "xlm-roberta"} and limit:
        limit -= config.pad_token_id + 1
    return limit if isinstance(limit, int) and limit > 0 else None


def set_dropout(config: PretrainedConfig, dropout: float) -> None:
    """Set every dropout probability of a configuration, whatever the architecture calls it."""
    for key, value in config.to_dict().items():
        is_named = "dropout" in key or key.endswith("pdrop")  # pdrop: GPT-2's word
        if is_named and isinstance(value, int | float) and not isinstance(value, bool):
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


def load_reader(source: ModelSource, config: PretrainedConfig) -> nn.Module:
    """A model that was trained to answer questions, in float32.

    Raises:
        ModelError: it cannot be opened, or brings no question-answering head of its own.
    """
    with quiet_transformers():
        model, info = _open(
            AutoModelForQuestionAnswering,
            source,
            config=config,
            dtype=torch.float32,
            output_loading_info=True,
        )
    require_head(model)
    untrained = [name for name in info["missing_keys"] if name.startswith(f"{HEAD}.")]
    if untrained:
        raise ModelError(
            f"{source.location} has no {sorted(untrained)[0]}: it was not trained to answer "
            "questions"
        )
    return model  # type: ignore[no-any-return]


def enable_checkpointing(model: nn.Module) -> None:
    """Recompute activations in the backward pass; non-reentrant, so frozen inputs are fine."""
    # Newer transformers renamed it and warn of the old name.
    enable = getattr(model, "activation_checkpointing_enable", None)
    enable = enable or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})  # type: ignore[operator]  # a PreTrainedModel's
    # Of generators; where both are asked for, transformers warns.
    model.config.use_cache = False  # type: ignore[union-attr]  # a PreTrainedModel's


def build_meta_model(config: PretrainedConfig, *, trust_remote_code: bool = False) -> nn.Module:
    """The same model without weights: shapes only, no memory.

    Raises:
        ModelError: transformers knows no question-answering model of this configuration.
    """
    try:
        with torch.device("meta"):
            model = AutoModelForQuestionAnswering.from_config(
                config, trust_remote_code=trust_remote_code
            )
    except (ValueError, ImportError, KeyError) as error:
        raise ModelError(f"no {config.model_type} reader can be built: {_reason(error)}") from error
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
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelError(f"{source.location} cannot be opened: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


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
