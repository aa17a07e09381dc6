"""What each word stands for in real architectures of transformers, without weights."""

import pytest
import torch
from torch import nn
from transformers import (
    BartConfig,
    BartForQuestionAnswering,
    BertConfig,
    BertForQuestionAnswering,
    DebertaV2Config,
    DebertaV2ForQuestionAnswering,
    DistilBertConfig,
    DistilBertForQuestionAnswering,
    ElectraConfig,
    ElectraForQuestionAnswering,
    PretrainedConfig,
    RobertaConfig,
    RobertaForQuestionAnswering,
    T5Config,
    T5ForQuestionAnswering,
    XLMRobertaConfig,
    XLMRobertaForQuestionAnswering,
    XLNetConfig,
    XLNetForQuestionAnsweringSimple,
)

from qarank.adapters.inject import linear_paths
from qarank.adapters.targets import PATTERNS, WORDS, resolve_targets
from qarank.errors import AdapterError

LAYERS = 12  # two digits: layer 1 must not be taken for layer 11
SIZES = {
    "hidden_size": 8,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "vocab_size": 30,
}
CONFIGS: dict[str, tuple[type[nn.Module], PretrainedConfig]] = {
    "bert": (BertForQuestionAnswering, BertConfig(**SIZES)),
    "roberta": (RobertaForQuestionAnswering, RobertaConfig(**SIZES)),
    "xlm-roberta": (XLMRobertaForQuestionAnswering, XLMRobertaConfig(**SIZES)),
    "electra": (ElectraForQuestionAnswering, ElectraConfig(**SIZES, embedding_size=6)),
    "deberta-v2": (
        DebertaV2ForQuestionAnswering,
        DebertaV2Config(
            **SIZES, relative_attention=True, pos_att_type=["p2c", "c2p"], share_att_key=False
        ),
    ),
    "distilbert": (
        DistilBertForQuestionAnswering,
        DistilBertConfig(dim=8, n_layers=LAYERS, n_heads=2, hidden_dim=12, vocab_size=30),
    ),
    "xlnet": (
        XLNetForQuestionAnsweringSimple,
        XLNetConfig(d_model=8, n_layer=LAYERS, n_head=2, d_inner=12, vocab_size=30),
    ),
    "t5": (
        T5ForQuestionAnswering,
        T5Config(
            d_model=8, d_kv=4, d_ff=12, num_layers=LAYERS, num_decoder_layers=LAYERS, num_heads=2
        ),
    ),
    "t5-gated": (
        T5ForQuestionAnswering,
        T5Config(
            d_model=8,
            d_kv=4,
            d_ff=12,
            num_layers=LAYERS,
            num_decoder_layers=LAYERS,
            num_heads=2,
            feed_forward_proj="gated-gelu",
        ),
    ),
    "bart": (
        BartForQuestionAnswering,
        BartConfig(
            d_model=8,
            encoder_layers=LAYERS,
            decoder_layers=LAYERS,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=12,
            decoder_ffn_dim=12,
            vocab_size=30,
        ),
    ),
}

BERT_LAYER = {
    "query": ["attention.self.query"],
    "key": ["attention.self.key"],
    "value": ["attention.self.value"],
    "attention.output": ["attention.output.dense"],
    "intermediate": ["intermediate.dense"],
    "layer.output": ["output.dense"],
}


def in_layers(prefix: str, endings: dict[str, list[str]]) -> dict[str, set[str]]:
    """Word -> the paths it stands for, `endings` being those in one layer."""
    return {
        word: {f"{prefix}.{n}.{path}" for n in range(LAYERS) for path in paths}
        for word, paths in endings.items()
    }


def in_both(encoder: dict[str, set[str]], decoder: dict[str, set[str]]) -> dict[str, set[str]]:
    return {word: encoder[word] | decoder[word] for word in encoder}


def t5_block(attentions: list[str], feed_forward: str, inner: list[str]) -> dict[str, list[str]]:
    letters = {"query": "q", "key": "k", "value": "v", "attention.output": "o"}
    block = {word: [f"{at}.{letter}" for at in attentions] for word, letter in letters.items()}
    block["intermediate"] = [f"{feed_forward}.DenseReluDense.{name}" for name in inner]
    block["layer.output"] = [f"{feed_forward}.DenseReluDense.wo"]
    return block


def t5(inner: list[str]) -> dict[str, set[str]]:
    attentions = ["layer.0.SelfAttention", "layer.1.EncDecAttention"]
    return in_both(
        in_layers("encoder.block", t5_block(attentions[:1], "layer.1", inner)),
        in_layers("decoder.block", t5_block(attentions, "layer.2", inner)),
    )


def bart_layer(attentions: list[str]) -> dict[str, list[str]]:
    names = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "attention.output": "out_proj"}
    layer = {word: [f"{at}.{name}" for at in attentions] for word, name in names.items()}
    return layer | {"intermediate": ["fc1"], "layer.output": ["fc2"]}


EXPECTED: dict[str, dict[str, set[str]]] = {
    "bert": in_layers("bert.encoder.layer", BERT_LAYER),
    "roberta": in_layers("roberta.encoder.layer", BERT_LAYER),
    "xlm-roberta": in_layers("roberta.encoder.layer", BERT_LAYER),
    "electra": in_layers("electra.encoder.layer", BERT_LAYER),
    "deberta-v2": in_layers(
        "deberta.encoder.layer",
        BERT_LAYER | {word: [f"attention.self.{word}_proj"] for word in ("query", "key", "value")},
    ),
    "distilbert": in_layers(
        "distilbert.transformer.layer",
        {
            "query": ["attention.q_lin"],
            "key": ["attention.k_lin"],
            "value": ["attention.v_lin"],
            "attention.output": ["attention.out_lin"],
            "intermediate": ["ffn.lin1"],
            "layer.output": ["ffn.lin2"],
        },
    ),
    "xlnet": in_layers(
        "transformer.layer", {"intermediate": ["ff.layer_1"], "layer.output": ["ff.layer_2"]}
    ),
    "t5": t5(["wi"]),
    "t5-gated": t5(["wi_0", "wi_1"]),
    "bart": in_both(
        in_layers("model.encoder.layers", bart_layer(["self_attn"])),
        in_layers("model.decoder.layers", bart_layer(["self_attn", "encoder_attn"])),
    ),
}
NO_WORD = {  # linears that no word of the original stands for
    "electra": {"electra.embeddings_project"},
    "deberta-v2": {
        f"deberta.encoder.layer.{n}.attention.self.pos_{word}_proj"
        for n in range(LAYERS)
        for word in ("query", "key")
    },
}


@pytest.fixture(scope="module")
def paths_of() -> dict[str, list[str]]:
    """Architecture -> its linears but for the head, in its own order."""
    found = {}
    for name, (architecture, config) in CONFIGS.items():
        with torch.device("meta"):
            found[name] = linear_paths(architecture(config), outside=["qa_outputs"])
    return found


def model_type(name: str) -> str:
    return str(CONFIGS[name][1].model_type)


@pytest.mark.parametrize("name", CONFIGS)
def test_each_word_stands_for_its_matrices_in_every_layer(
    name: str, paths_of: dict[str, list[str]]
) -> None:
    for word, expected in EXPECTED[name].items():
        found = resolve_targets(paths_of[name], [word], model_type=model_type(name))
        assert set(found) == expected, word
        assert found == [path for path in paths_of[name] if path in expected]


@pytest.mark.parametrize("name", CONFIGS)
def test_all_words_together_are_all_linears_but_those_named_here(
    name: str, paths_of: dict[str, list[str]]
) -> None:
    words = list(EXPECTED[name])
    found = resolve_targets(paths_of[name], words, model_type=model_type(name))
    assert set(paths_of[name]) - set(found) == NO_WORD.get(name, set())
    assert len(found) == sum(len(paths) for paths in EXPECTED[name].values())  # none by two words


@pytest.mark.parametrize("name", CONFIGS)
def test_no_word_stands_for_the_head(name: str) -> None:
    architecture, config = CONFIGS[name]
    with torch.device("meta"):
        everything = linear_paths(architecture(config))
    assert "qa_outputs" in everything
    words = list(EXPECTED[name])
    assert "qa_outputs" not in resolve_targets(everything, words, model_type=model_type(name))


def test_every_architecture_that_has_words_is_tried_here() -> None:
    assert {model_type(name) for name in CONFIGS} == set(PATTERNS)


def test_a_uniform_rank_of_deberta_v3_base_costs_what_was_published() -> None:
    config = DebertaV2Config(hidden_size=768, num_hidden_layers=12, intermediate_size=3072)
    with torch.device("meta"):
        model = DebertaV2ForQuestionAnswering(config)
    paths = resolve_targets(linear_paths(model), WORDS, model_type="deberta-v2")
    weights = [model.get_parameter(f"{path}.weight") for path in paths]
    assert len(paths) == 72
    assert sum(sum(weight.shape) for weight in weights) == 165_888


def test_a_word_without_a_linear_is_refused_with_the_words_there_are(
    paths_of: dict[str, list[str]],
) -> None:
    expected = (
        "'query' matches no linear of this xlnet model; "
        r"words: intermediate, layer.output; linears: ff.layer_1, ff.layer_2$"
    )
    with pytest.raises(AdapterError, match=expected):
        resolve_targets(paths_of["xlnet"], ["query"], model_type="xlnet")
