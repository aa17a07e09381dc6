import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import get_constant_schedule_with_warmup, get_linear_schedule_with_warmup

from qarank.engine.optim import Schedule, build_optimizer, learning_rate_factor


def factors(total_steps: int, warmup_steps: int, schedule: Schedule) -> list[float]:
    return [
        learning_rate_factor(
            step, total_steps=total_steps, warmup_steps=warmup_steps, schedule=schedule
        )
        for step in range(1, total_steps + 1)
    ]


@settings(max_examples=60, deadline=None)
@given(total_steps=st.integers(1, 60), warmup_steps=st.integers(0, 70))
@pytest.mark.parametrize("schedule", ["linear", "constant"])
def test_each_steps_rate_is_that_of_transformers_scheduler(
    schedule: Schedule, total_steps: int, warmup_steps: int
) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = (
        get_linear_schedule_with_warmup(optimizer, warmup_steps, total_steps)
        if schedule == "linear"
        else get_constant_schedule_with_warmup(optimizer, warmup_steps)
    )
    expected = []
    for _ in range(total_steps):
        expected.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    assert factors(total_steps, warmup_steps, schedule) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("schedule", ["linear", "constant"])
@given(total_steps=st.integers(1, 2000), warmup_steps=st.integers(0, 2000))
@settings(max_examples=30, deadline=None)
def test_a_factor_never_leaves_0_to_1(
    schedule: Schedule, total_steps: int, warmup_steps: int
) -> None:
    assert all(0.0 <= factor <= 1.0 for factor in factors(total_steps, warmup_steps, schedule))


def test_known_rates_by_hand() -> None:
    assert factors(6, 2, "linear") == [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]
    assert factors(4, 2, "constant") == [0.0, 0.5, 1.0, 1.0]
    assert factors(3, 0, "linear") == [1.0, pytest.approx(2 / 3), pytest.approx(1 / 3)]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_the_optimizer_steps_as_torchs_plain_adamw(weight_decay: float) -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    reference = copy.deepcopy(model)
    mine = build_optimizer(model.parameters(), learning_rate=0.1, weight_decay=weight_decay)
    theirs = torch.optim.AdamW(
        reference.parameters(), lr=0.1, weight_decay=weight_decay, fused=False, foreach=False
    )
    for _ in range(4):
        inputs = torch.randn(5, 4)
        for module, optimizer in ((model, mine), (reference, theirs)):
            optimizer.zero_grad()
            module(inputs).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(model.weight, reference.weight, atol=1e-6, rtol=1e-6)
