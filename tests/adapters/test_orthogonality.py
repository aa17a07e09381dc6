import pytest
import torch
from torch import Tensor, nn

from qarank.adapters.orthogonality import (
    gram_error,
    orthogonality_penalty,
    penalty_by_matrix,
)
from qarank.adapters.svd import Init, SVDLinear

SHAPES = [(12, 12, 4), (12, 20, 4), (20, 12, 4), (12, 12, 4), (9, 7, 3), (5, 5, 1)]  # in, out, r


def build_layers(init: Init = "gaussian") -> list[SVDLinear]:
    torch.manual_seed(1)
    return [SVDLinear(nn.Linear(i, o), r=r, alpha=8, init=init) for i, o, r in SHAPES]


def spread(layers: list[SVDLinear]) -> list[SVDLinear]:
    """Far from orthonormal, and each matrix differently."""
    for layer in layers:
        nn.init.normal_(layer.lora_A)
        nn.init.normal_(layer.lora_B, std=0.3)
    return layers


def plain_norms(layers: list[SVDLinear]) -> list[Tensor]:
    """A norm for each A and each B, one after the other."""
    norms = []
    for layer in layers:
        eye = torch.eye(layer.r)
        norms.append((layer.lora_A @ layer.lora_A.T - eye).square().sum().sqrt())
        norms.append((layer.lora_B.T @ layer.lora_B - eye).square().sum().sqrt())
    return norms


def plain_penalty(layers: list[SVDLinear]) -> Tensor:
    """The released code's loop: a norm a matrix, and their mean."""
    return torch.stack(plain_norms(layers)).mean()


def test_the_penalty_equals_a_loop_over_the_matrices() -> None:
    layers = spread(build_layers())
    torch.testing.assert_close(orthogonality_penalty(layers), plain_penalty(layers))


def test_its_gradient_equals_the_loops_and_leaves_e_out() -> None:
    ours, plain = spread(build_layers()), spread(build_layers())
    orthogonality_penalty(ours).backward()
    plain_penalty(plain).backward()
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one.lora_A.grad, other.lora_A.grad)
        torch.testing.assert_close(one.lora_B.grad, other.lora_B.grad)
        assert one.lora_E.grad is None


def test_it_does_not_depend_on_the_mask_or_on_e() -> None:
    layers = spread(build_layers())
    before = orthogonality_penalty(layers).item()
    for layer in layers:
        layer.keep_triplets(torch.zeros(layer.r, dtype=torch.bool))
    assert orthogonality_penalty(layers).item() == before


def test_orthogonal_layers_start_at_zero_with_a_finite_gradient() -> None:
    layers = build_layers("orthogonal")
    penalty = orthogonality_penalty(layers)
    penalty.backward()
    assert penalty.item() < 1e-6
    for layer in layers:
        assert layer.lora_A.grad is not None and layer.lora_A.grad.isfinite().all()


def test_exactly_orthonormal_matrices_have_no_nan_in_their_gradient() -> None:
    layer = SVDLinear(nn.Linear(3, 3), r=3, alpha=1)
    nn.init.eye_(layer.lora_A)
    nn.init.eye_(layer.lora_B)
    penalty = orthogonality_penalty([layer])
    penalty.backward()
    assert penalty.item() == 0
    assert layer.lora_A.grad is not None and not layer.lora_A.grad.any()


def test_small_gaussian_layers_start_near_the_root_of_r() -> None:
    layer = SVDLinear(nn.Linear(64, 64), r=4, alpha=1)
    assert orthogonality_penalty([layer]).item() == pytest.approx(2.0, rel=0.05)


def test_the_gram_error_of_several_matrices_is_each_ones() -> None:
    rows = torch.randn(3, 2, 5)
    for one, error in zip(rows, gram_error(rows), strict=True):
        torch.testing.assert_close(error, one @ one.T - torch.eye(2))


def test_the_penalty_by_matrix_equals_a_loop_in_the_layers_order() -> None:
    layers = spread(build_layers())
    found = penalty_by_matrix({f"layer.{i}": layer for i, layer in enumerate(layers)})
    assert list(found) == [
        f"layer.{i}.{part}" for i in range(len(SHAPES)) for part in ("lora_A", "lora_B")
    ]
    assert list(found.values()) == pytest.approx([norm.item() for norm in plain_norms(layers)])


def test_its_mean_is_the_penalty_and_no_gradient_is_left() -> None:
    layers = spread(build_layers())
    found = penalty_by_matrix({str(i): layer for i, layer in enumerate(layers)})
    assert sum(found.values()) / len(found) == pytest.approx(orthogonality_penalty(layers).item())
    assert all(parameter.grad is None for layer in layers for parameter in layer.parameters())


def test_without_matrices_there_is_nothing_to_tell() -> None:
    assert penalty_by_matrix({}) == {}
