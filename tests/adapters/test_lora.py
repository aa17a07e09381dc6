import torch
from torch import nn

from qarank.adapters.lora import LoRALinear

IN, OUT, R = 64, 48, 8


def fresh() -> LoRALinear:
    torch.manual_seed(0)
    return LoRALinear(nn.Linear(IN, OUT), r=R, alpha=16)


def test_a_is_kaiming_uniform_and_b_is_zero() -> None:
    layer = fresh()
    bound = IN**-0.5  # sqrt(6 / ((1 + 5) * IN)): what kaiming uniform with a = sqrt 5 comes to
    assert 0.9 * bound < layer.lora_A.abs().max() <= bound
    torch.testing.assert_close(layer.lora_A.std().item(), bound / 3**0.5, rtol=0.1, atol=0)
    assert not layer.lora_B.any()


def test_there_is_no_e() -> None:
    layer = fresh()
    assert layer.lora_E is None
    assert {name for name, p in layer.named_parameters() if p.requires_grad} == {"lora_A", "lora_B"}


def test_cutting_zeroes_the_column_of_b_and_leaves_a() -> None:
    layer = fresh()
    nn.init.normal_(layer.lora_B)
    before_A, before_B = layer.lora_A.detach().clone(), layer.lora_B.detach().clone()
    keep = torch.arange(R) % 2 == 0
    layer.keep_triplets(keep)
    assert torch.equal(layer.lora_A, before_A)
    assert torch.equal(layer.lora_B[:, keep], before_B[:, keep])
    assert not layer.lora_B[:, ~keep].any()


def test_a_cut_column_of_b_still_has_a_gradient_to_regrow_by() -> None:
    layer = fresh()
    layer.keep_triplets(torch.zeros(R, dtype=torch.bool))
    layer(torch.randn(4, IN)).square().sum().backward()
    assert layer.lora_B.grad is not None and layer.lora_B.grad.all()
    assert layer.lora_A.grad is not None and not layer.lora_A.grad.any()  # B is zero
