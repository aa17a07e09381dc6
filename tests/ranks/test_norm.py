import numpy as np
import pytest
import torch
from torch import nn

from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.lora import LoRALinear
from qarank.adapters.svd import SVDLinear
from qarank.ranks.norm import NormScorer

KINDS = pytest.mark.parametrize("kind", [LoRALinear, SVDLinear])
SHAPES = {"query": (6, 5, 3), "wide": (4, 9, 2)}  # in, out, r


def build_layers(kind: type[AdaptedLinear], *, size: float = 1.0) -> dict[str, AdaptedLinear]:
    """Every weight drawn, of that size."""
    torch.manual_seed(5)
    layers = {
        path: kind(nn.Linear(i, o), r=r, alpha=r, dropout=0.0) for path, (i, o, r) in SHAPES.items()
    }
    for layer in layers.values():
        for p in layer.low_rank_parameters():
            nn.init.normal_(p, std=size)
    return layers


@KINDS
def test_a_score_is_the_frobenius_norm_of_the_triplets_share_of_the_update(
    kind: type[AdaptedLinear],
) -> None:
    layers = build_layers(kind)
    scores = NormScorer(layers).triplet_scores()
    assert scores.dtype == torch.float64 and scores.shape == (5,)
    shares = []
    for layer in layers.values():
        for i in range(layer.r):
            layer.rank_mask.copy_(torch.arange(layer.r) == i)
            shares.append(float(layer.delta_weight().detach().norm()))  # alpha is r: the scale is 1
    np.testing.assert_allclose(scores.numpy(), shares, rtol=1e-5)


def test_the_formula_written_plainly() -> None:
    layers = build_layers(SVDLinear)
    expected = []
    for layer in layers.values():
        assert layer.lora_E is not None
        for i in range(layer.r):
            of_A = sum(entry**2 for entry in layer.lora_A[i].tolist()) ** 0.5
            of_B = sum(entry**2 for entry in layer.lora_B[:, i].tolist()) ** 0.5
            expected.append(abs(layer.lora_E[i].item()) * of_A * of_B)
    np.testing.assert_allclose(NormScorer(layers).triplet_scores().numpy(), expected, rtol=1e-12)


@KINDS
def test_tiny_triplets_are_still_told_apart(kind: type[AdaptedLinear]) -> None:
    scores = NormScorer(build_layers(kind, size=1e-20)).triplet_scores()
    assert (scores > 0).all() and scores.unique().numel() == scores.numel()
    assert scores.float().max() < 1e-37  # in float32 they are nothing, or close to it


@KINDS
def test_what_is_cut_has_no_size_until_it_regrows(kind: type[AdaptedLinear]) -> None:
    layers = build_layers(kind)
    layers["query"].keep_triplets(torch.tensor([True, False, True]))
    assert NormScorer(layers).triplet_scores().gt(0).tolist() == [True, False, True, True, True]


@KINDS
def test_it_is_ready_once_a_step_gave_triplets_a_size(kind: type[AdaptedLinear]) -> None:
    fresh = {"one": kind(nn.Linear(4, 4), r=2, alpha=2, dropout=0.0)}
    assert not NormScorer(fresh).is_ready
    assert NormScorer(build_layers(kind)).is_ready


def test_it_needs_no_gradients_and_has_no_state() -> None:
    layers = build_layers(SVDLinear)
    scorer = NormScorer(layers)
    before = scorer.triplet_scores()
    scorer.update()
    scorer.load_state_dict({})
    assert scorer.state_dict() == {} and torch.equal(scorer.triplet_scores(), before)
    assert not before.requires_grad
