from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from qarank.workflows.logits import compute_logits, largest_difference


class Counting(nn.Module):
    """Logits that tell its mode and that run on into the padding."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        start = input_ids.half() + (100.0 if self.training else 0.0)
        return SimpleNamespace(start_logits=start, end_logits=-start)


BATCH = {"input_ids": torch.tensor([[3, 4, 5]]), "attention_mask": torch.tensor([[1, 1, 0]])}


@pytest.mark.parametrize("training", [True, False])
def test_logits_are_of_eval_mode_float32_and_zero_at_padding(training: bool) -> None:
    model = Counting().train(training)
    logits = compute_logits(model, BATCH)
    assert logits.dtype == torch.float32
    assert logits.tolist() == [[[3.0, 4.0, 0.0]], [[-3.0, -4.0, 0.0]]]
    assert model.training == training


def test_a_difference_is_a_share_of_the_largest_logit() -> None:
    before, after = torch.tensor([1.0, -8.0]), torch.tensor([1.5, -8.0])
    assert largest_difference(before, after) == 0.0625
