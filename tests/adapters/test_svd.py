import pytest
import torch
from torch import nn

from qarank.adapters.svd import Init, SVDLinear

IN, OUT, R = 64, 48, 8


def fresh(init: Init = "gaussian") -> SVDLinear:
    torch.manual_seed(0)
    return SVDLinear(nn.Linear(IN, OUT), r=R, alpha=16, init=init)


def test_gaussian_a_and_b_have_the_released_codes_spread() -> None:
    layer = fresh()
    for factor in (layer.lora_A, layer.lora_B):
        torch.testing.assert_close(factor.std().item(), 0.02, rtol=0.1, atol=0)
        assert abs(factor.mean().item()) < 0.004


def test_orthogonal_a_has_orthonormal_rows_and_b_orthonormal_columns() -> None:
    layer = fresh("orthogonal")
    torch.testing.assert_close(layer.lora_A @ layer.lora_A.T, torch.eye(R))
    torch.testing.assert_close(layer.lora_B.T @ layer.lora_B, torch.eye(R))


@pytest.mark.parametrize("init", ["gaussian", "orthogonal"])
def test_e_starts_at_zero(init: Init) -> None:
    layer = fresh(init)
    assert layer.lora_E.shape == (R, 1) and not layer.lora_E.any()
    x = torch.randn(3, IN)
    assert torch.equal(layer(x), layer.base_layer(x))


def test_cutting_zeroes_e_and_leaves_a_and_b() -> None:
    layer = fresh()
    nn.init.normal_(layer.lora_E)
    before = [p.detach().clone() for p in (layer.lora_A, layer.lora_B, layer.lora_E)]
    keep = torch.arange(R) % 2 == 0
    layer.keep_triplets(keep)
    assert torch.equal(layer.lora_A, before[0]) and torch.equal(layer.lora_B, before[1])
    assert torch.equal(layer.lora_E[keep], before[2][keep])
    assert not layer.lora_E[~keep].any()


def test_a_cut_e_still_has_a_gradient_to_regrow_by_and_its_a_and_b_have_none() -> None:
    layer = fresh()
    nn.init.ones_(layer.lora_E)
    keep = torch.arange(R) % 2 == 0
    layer.keep_triplets(keep)
    layer(torch.randn(4, IN)).square().sum().backward()
    A, B, E = layer.lora_A.grad, layer.lora_B.grad, layer.lora_E.grad
    assert A is not None and B is not None and E is not None
    assert E.all()
    assert not A[~keep].any() and not B[:, ~keep].any()
    assert A[keep].all() and B[:, keep].all()
