from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from qarank.workflows.session import TrainingSession


def test_the_penalty_enters_each_step_once_and_no_evaluation(
    train_tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def count(layers: Any) -> Tensor:
        calls.append(1)
        return torch.stack([layer.lora_A.sum() for layer in layers]).sum() * 0.0

    monkeypatch.setattr("qarank.workflows.adapt.orthogonality_penalty", count)
    monkeypatch.setattr(TrainingSession, "estimate", lambda _: {})  # it rehearses steps
    train = {"max_steps": 12, "batch_size": 8, "micro_batch_size": 2, "learning_rate": 0.01}
    train_tiny(train=train, eval={"every": 2})
    assert len(calls) == 12


def test_the_dropout_of_the_recipe_is_the_runs(train_tiny: Callable[..., Any]) -> None:
    """Without dropout nothing is random after the start: two seeds of it cannot differ."""
    name = train_tiny().recipe.model.name_or_path
    calls: list[float] = []
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, *_: calls.append(module.p) if isinstance(module, nn.Dropout) else None
    )
    try:
        train_tiny(model={"name_or_path": name, "dropout": 0.0})
    finally:
        handle.remove()
    assert set(calls) == {0.0}
