import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    AutoConfig,
    BartConfig,
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    ByT5Tokenizer,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    GPT2Config,
    PretrainedConfig,
    RobertaConfig,
    T5Config,
    XLNetConfig,
)
from transformers.utils import logging as transformers_logging

from qarank.config.schema import ModelConfig
from qarank.errors import ModelError
from qarank.workflows.model import (
    HEAD,
    build_meta_model,
    enable_checkpointing,
    load_base_model,
    load_config,
    load_tokenizer,
    quiet_transformers,
    require_head,
    set_dropout,
)
from qarank.workflows.model_source import ModelSource

FAMILIES = (
    BartConfig,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    GPT2Config,
    RobertaConfig,
    T5Config,
    XLNetConfig,
)


def named(name: str, **keys: Any) -> ModelConfig:
    return ModelConfig(name_or_path=name, **keys)


def from_folder(folder: Path) -> ModelSource:
    return ModelSource(str(folder), {})


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_dropout_reaches_every_module_that_drops(
    family: type[PretrainedConfig], dropout: float
) -> None:
    config = family()
    set_dropout(config, dropout)
    found = {m.p for m in build_meta_model(config).modules() if isinstance(m, nn.Dropout)}
    assert found <= {dropout}  # none where the dropping is a function's (BART)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_dropout_reaches_every_key_that_is_called_so(family: type[PretrainedConfig]) -> None:
    config = family()
    set_dropout(config, 0.3)
    named_so = {key: v for key, v in config.to_dict().items() if "dropout" in key or "pdrop" in key}
    assert named_so
    assert set(named_so.values()) <= {0.3, None}  # None: "as the others"


def test_no_dropout_in_the_recipe_leaves_the_models_own(tiny_model_dir: Path) -> None:
    source = from_folder(tiny_model_dir)
    kept = load_config(source, named(str(tiny_model_dir)))
    changed = load_config(source, named(str(tiny_model_dir), dropout=0.0))
    assert (kept.hidden_dropout_prob, kept.attention_probs_dropout_prob) == (0.1, 0.1)
    assert (changed.hidden_dropout_prob, changed.attention_probs_dropout_prob) == (0.0, 0.0)


def test_the_recipes_attention_is_used(tiny_model_dir: Path) -> None:
    source = from_folder(tiny_model_dir)
    config = load_config(source, named(str(tiny_model_dir), attn_implementation="eager"))
    assert load_base_model(source, config, seed=0).config._attn_implementation == "eager"


def test_a_half_precision_checkpoint_is_loaded_in_float32(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    half = BertForQuestionAnswering.from_pretrained(tiny_model_dir).half()
    half.save_pretrained(tmp_path)
    source = from_folder(tmp_path)
    config = load_config(source, named(str(tmp_path)))
    assert config.dtype == torch.float16  # what transformers would have kept
    model = load_base_model(source, config, seed=0)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_a_head_the_checkpoint_lacks_is_drawn_from_the_seed(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    config = AutoConfig.from_pretrained(tiny_model_dir)
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    source = from_folder(tmp_path)
    first, again, other = (
        load_base_model(source, config, seed=seed).get_parameter(f"{HEAD}.weight")
        for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_slow_tokenizer_is_refused(tiny_model_dir: Path, tmp_path: Path) -> None:
    ByT5Tokenizer().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text((tiny_model_dir / "config.json").read_text())
    with pytest.raises(ModelError, match="ByT5Tokenizer is a slow tokenizer and gives no offsets"):
        load_tokenizer(from_folder(tmp_path))


@pytest.mark.parametrize("config", ["{", json.dumps({"model_type": "no_such_type"})])
def test_a_configuration_that_cannot_be_read_is_one_line(config: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelError, match="cannot be opened: ") as caught:
        load_config(from_folder(tmp_path), named(str(tmp_path)))
    assert "\n" not in str(caught.value)


def test_damaged_weights_are_one_line(tiny_model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((tiny_model_dir / "config.json").read_text())
    whole = (tiny_model_dir / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    source = from_folder(tmp_path)
    config = load_config(source, named(str(tmp_path)))
    with pytest.raises(ModelError, match="cannot be opened: ") as caught:
        load_base_model(source, config, seed=0)
    assert "\n" not in str(caught.value)


def test_a_meta_model_has_shapes_and_no_memory(tiny_model_dir: Path) -> None:
    model = build_meta_model(AutoConfig.from_pretrained(tiny_model_dir))
    assert {p.device.type for p in model.parameters()} == {"meta"}


def test_a_model_without_an_extractive_head_is_refused() -> None:
    with pytest.raises(ModelError, match="Sequential has no head called qa_outputs"):
        require_head(nn.Sequential())


def test_transformers_talks_again_after_a_quiet_spell() -> None:
    before = transformers_logging.get_verbosity()
    with_bars = transformers_logging.is_progress_bar_enabled()
    with pytest.raises(RuntimeError, match="inside"), quiet_transformers():
        assert transformers_logging.get_verbosity() == transformers_logging.ERROR
        raise RuntimeError("inside")
    assert transformers_logging.get_verbosity() == before
    assert transformers_logging.is_progress_bar_enabled() == with_bars


def test_checkpointing_is_switched_on_without_a_generators_cache(tiny_model_dir: Path) -> None:
    source = from_folder(tiny_model_dir)
    model = load_base_model(source, load_config(source, named("tiny")), seed=0)
    enable_checkpointing(model)
    flags = [getattr(module, "gradient_checkpointing", False) for module in model.modules()]
    assert any(flags)
    assert model.config.use_cache is False  # type: ignore[union-attr]


def test_checkpointing_is_switched_on_by_its_older_name_too() -> None:
    asked: list[object] = []
    older: Any = SimpleNamespace(
        gradient_checkpointing_enable=asked.append, config=SimpleNamespace(use_cache=True)
    )
    enable_checkpointing(older)
    assert asked == [{"use_reentrant": False}]
