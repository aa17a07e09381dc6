import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig, BertForQuestionAnswering

from qarank.squad.loss import span_loss


@pytest.fixture(scope="module")
def model() -> BertForQuestionAnswering:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
    )
    return BertForQuestionAnswering(config).eval()


def unpadded(logits: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return span_loss(*logits, *positions, is_token=torch.ones(logits[0].shape, dtype=torch.bool))


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_loss_is_the_sum_of_what_transformers_takes_the_mean_of(
    model: BertForQuestionAnswering, batch: int
) -> None:
    generator = torch.Generator().manual_seed(batch)
    input_ids = torch.randint(1, 50, (batch, 24), generator=generator)
    start, end = torch.randint(0, 24, (2, batch), generator=generator)
    with torch.no_grad():
        output = model(input_ids=input_ids, start_positions=start, end_positions=end)
    is_token = torch.ones_like(input_ids, dtype=torch.bool)
    loss = span_loss(output.start_logits, output.end_logits, start, end, is_token=is_token)
    torch.testing.assert_close(loss, output.loss * batch)


@settings(max_examples=30, deadline=None)
@given(batch=st.integers(1, 6), seq=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_loss_is_that_of_a_plain_loop_over_features(batch: int, seq: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, batch, seq, generator=generator) * 4
    positions = torch.randint(0, seq, (2, batch), generator=generator)
    expected = sum(
        -float(F.log_softmax(logits[side, row].double(), -1)[positions[side, row]]) / 2
        for side in range(2)
        for row in range(batch)
    )
    loss = unpadded(logits, positions)
    assert float(loss) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_a_batch_in_parts_adds_up() -> None:
    logits, positions = torch.randn(2, 7, 12), torch.randint(0, 12, (2, 7))
    whole = unpadded(logits, positions)
    parts = sum(unpadded(logits[:, part], positions[:, part]) for part in ([0, 1, 2, 3], [4, 5, 6]))
    torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_summed_in_float32(dtype: torch.dtype) -> None:
    logits = (torch.randn(2, 64, 384) * 8).to(dtype)
    positions = torch.randint(0, 384, (2, 64))
    loss = unpadded(logits, positions)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, unpadded(logits.float(), positions))


def test_a_sure_and_right_model_has_no_loss() -> None:
    logits = torch.full((2, 3, 5), -1e4)
    positions = torch.tensor([[0, 2, 4], [1, 2, 4]])
    logits.scatter_(2, positions.unsqueeze(-1), 0.0)
    assert float(unpadded(logits, positions)) == 0.0


def test_padding_changes_neither_loss_nor_gradient() -> None:
    logits, positions = torch.randn(2, 3, 6), torch.randint(0, 4, (2, 3))
    is_token = torch.arange(6).expand(3, 6) < 4
    padded = logits.clone().requires_grad_()
    cut = logits[:, :, :4].clone().requires_grad_()
    loss = span_loss(*padded, *positions, is_token=is_token)
    torch.testing.assert_close(loss, unpadded(cut, positions))
    of_padded = torch.autograd.grad(loss, padded)[0]
    of_cut = torch.autograd.grad(unpadded(cut, positions), cut)[0]
    torch.testing.assert_close(of_padded[:, :, :4], of_cut)
    assert not of_padded[:, :, 4:].any()
