import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from qarank.workflows.objective import sum_span_losses


class Scripted(nn.Module):
    """Refuses labels, as the engine's loss is ours and not the model's."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        logits = input_ids.float()
        return SimpleNamespace(start_logits=logits, end_logits=-logits)


def test_the_loss_is_the_sum_over_the_rows() -> None:
    batch = {
        "input_ids": torch.tensor([[1, 2], [3, 1]]),
        "attention_mask": torch.ones(2, 2, dtype=torch.int64),
        "start_positions": torch.tensor([1, 0]),
        "end_positions": torch.tensor([0, 1]),
    }
    loss = sum_span_losses(Scripted(), batch)
    expected = 2 * torch.log1p(torch.exp(torch.tensor([-1.0, -2.0]))).sum() / 2
    assert float(loss) == pytest.approx(float(expected))


@pytest.mark.parametrize("value", [-math.inf, math.inf, math.nan])
def test_a_logit_that_is_not_finite_makes_the_loss_nan_wherever_it_stands(value: float) -> None:
    """Minus infinity off the labels leaves the plain loss finite, yet the model is broken."""
    starts = torch.zeros(1, 4)
    starts[0, 2] = value
    batch = {
        "attention_mask": torch.ones(1, 4, dtype=torch.int64),
        "start_positions": torch.tensor([1]),
        "end_positions": torch.tensor([1]),
    }

    class Model(nn.Module):
        def forward(self, **_: Tensor) -> SimpleNamespace:
            return SimpleNamespace(start_logits=starts, end_logits=torch.zeros(1, 4))

    assert math.isnan(float(sum_span_losses(Model(), batch)))
    batch["attention_mask"][0, 2] = 0  # padding is nobody's business
    assert math.isfinite(float(sum_span_losses(Model(), batch)))
