"""What is held beside the triplets, by the names and shapes of an adapter folder."""

from collections.abc import Sequence
from typing import Any

import pytest

from qarank.adapters.peft_names import PREFIX
from qarank.workflows.inspect_notes import describe_rest

QUERY = "layer.0.query"
UPDATE = {f"{QUERY}.lora_A.weight": (2, 8), f"{QUERY}.lora_B.weight": (8, 2)}
HEAD = {"qa_outputs.weight": (2, 8), "qa_outputs.bias": (2,)}
LORA = {"peft_type": "LORA", "modules_to_save": ["qa_outputs"]}
EMBEDDING = {"words.lora_embedding_A": (2, 40), "words.lora_embedding_B": (8, 2)}


def describe(config: dict[str, Any], shapes: dict[str, Sequence[int]]) -> list[str]:
    return describe_rest(config, {PREFIX + name: shape for name, shape in shapes.items()})


def test_updates_and_modules_saved_whole_are_all_that_needs_no_word() -> None:
    assert describe(LORA, UPDATE | HEAD) == []
    kept = {"qa_outputs.original_module.weight": (2, 8)}
    assert describe(LORA, UPDATE | HEAD | kept) == []


@pytest.mark.parametrize(
    ("more", "held"),
    [
        ({f"{QUERY}.base_layer.bias": (8,)}, f"{QUERY}.base_layer.bias, 8 parameters"),
        (
            {f"{name}.token_adapter.trainable_tokens_delta": (300, 8) for name in ("a", "b")},
            "a.token_adapter.trainable_tokens_delta and 1 tensor more, 4,800 parameters",
        ),
    ],
)
def test_other_tensors_are_counted_apart(more: dict[str, Sequence[int]], held: str) -> None:
    assert describe(LORA, UPDATE | more) == [f"also holds {held}, not counted"]
    assert describe(LORA | {"modules_to_save": None}, UPDATE | more)


def test_a_tensor_that_cannot_be_read_is_a_reason_to_refuse() -> None:
    assert describe(LORA, UPDATE | EMBEDDING) == [
        "also holds words.lora_embedding_A and 1 tensor more, 96 parameters, not counted",
        "eval and merge refuse it: adapter_model.safetensors holds "
        f"{PREFIX}words.lora_embedding_A, which cannot be read",
    ]


def test_a_method_that_is_not_read_is_a_reason_though_all_is_counted() -> None:
    (note,) = describe(LORA | {"init_lora_weights": "pissa"}, UPDATE)
    assert note.startswith("eval and merge refuse it: adapter_config.json: init_lora_weights is")
