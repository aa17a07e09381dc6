from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.lora import LoRALinear
from qarank.adapters.svd import SVDLinear
from qarank.errors import AllocationError
from qarank.ranks.importance import ImportanceTracker
from qarank.ranks.metric import DOUBLET_CHOICES, TRIPLET_CHOICES, TripletMetric

BETA1 = 0.85
SVD_METRICS = [",".join(tokens) for tokens in product(*TRIPLET_CHOICES)]
FRD_METRICS = [",".join(tokens) for tokens in product(*DOUBLET_CHOICES)]
PAPER = "iptAB,iptE,sumAB,sumE"
Averages = dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]


def build_layers(kind: type[AdaptedLinear]) -> dict[str, AdaptedLinear]:
    torch.manual_seed(7)
    shapes = {"query": (6, 5, 3), "wide": (4, 9, 2)}  # in, out, r
    return {
        path: kind(nn.Linear(i, o), r=r, alpha=8, dropout=0.0) for path, (i, o, r) in shapes.items()
    }


def track(
    layers: dict[str, AdaptedLinear], metric: str, *, beta1: float = BETA1, beta2: float = 0.85
) -> ImportanceTracker:
    parsed = TripletMetric.from_tokens(metric)
    return ImportanceTracker(layers, metric=parsed, beta1=beta1, beta2=beta2)


@torch.no_grad()
def make_step(layers: dict[str, AdaptedLinear], seed: int, *, size: float = 1.0) -> None:
    """Other weights and gradients, as after an optimizer step."""
    generator = torch.Generator().manual_seed(seed)
    for layer in layers.values():
        for p in layer.low_rank_parameters():
            p.copy_(torch.randn(p.shape, generator=generator))
            p.grad = size * torch.randn(p.shape, generator=generator)


def factors_of(layer: AdaptedLinear) -> dict[str, nn.Parameter]:
    named = {"A": layer.lora_A, "B": layer.lora_B, "E": layer.lora_E}
    return {name: p for name, p in named.items() if p is not None}


def float64(tensor: torch.Tensor | None) -> np.ndarray:
    assert tensor is not None
    return tensor.detach().double().numpy()


def plain_update(averages: Averages, layers: dict[str, AdaptedLinear], beta2: float) -> None:
    """Equations 9 and 10, a parameter at a time."""
    for path, layer in layers.items():
        for name, p in factors_of(layer).items():
            sensitivity = np.abs(float64(p) * float64(p.grad))
            ibar, ubar = averages.get((path, name), (0.0, 0.0))
            ibar = BETA1 * ibar + (1 - BETA1) * sensitivity
            ubar = beta2 * ubar + (1 - beta2) * np.abs(sensitivity - ibar)
            averages[path, name] = (ibar, ubar)


def plain_scores(
    averages: Averages, layers: dict[str, AdaptedLinear], metric: str, beta2: float
) -> np.ndarray:
    """What the tokens say, a triplet at a time."""
    scores = []
    for path, layer in layers.items():
        element = {}
        for name, p in factors_of(layer).items():
            ibar, ubar = averages[path, name]
            by_size = ("magE" if name == "E" else "magAB") in metric
            element[name] = np.abs(float64(p)) if by_size else ibar * (ubar if beta2 > 0 else 1)
        for i in range(layer.r):
            of_A, of_B = element["A"][i, :].mean(), element["B"][:, i].mean()
            score = of_A * of_B if "prodAB" in metric else of_A + of_B
            if "onlyE" in metric:
                score = element["E"][i, 0]
            elif "prodE" in metric:
                score = score * element["E"][i, 0]
            elif "sumE" in metric:
                score = score + element["E"][i, 0]
            scores.append(score)
    return np.array(scores)


@pytest.mark.parametrize("beta2", [0.0, 0.6])
@pytest.mark.parametrize(
    ("kind", "metric"),
    [(SVDLinear, metric) for metric in SVD_METRICS] + [(LoRALinear, m) for m in FRD_METRICS],
)
def test_scores_equal_the_formulas_for_every_legal_metric(
    kind: type[AdaptedLinear], metric: str, beta2: float
) -> None:
    layers, averages = build_layers(kind), {}
    tracker = track(layers, metric, beta2=beta2)
    for step in range(5):
        make_step(layers, step)
        tracker.update()
        plain_update(averages, layers, beta2)
    scores = tracker.triplet_scores()
    assert scores.dtype == torch.float64 and scores.shape == (5,)
    expected = plain_scores(averages, layers, metric, beta2)
    np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-5)


def test_hand_made_numbers() -> None:
    layer = SVDLinear(nn.Linear(1, 1), r=1, alpha=1)
    for p, value, grad in ((layer.lora_A, 2.0, -3.0), (layer.lora_B, 1, 1), (layer.lora_E, 4, 0.5)):
        nn.init.constant_(p, value)
        p.grad = torch.full_like(p, grad)
    tracker = track({"one": layer}, PAPER, beta1=0.5, beta2=0.75)
    tracker.update()
    assert tracker.sensitivity.tolist() == [3.0, 0.5, 1.0]  # half of |2 * -3|, |1 * 1|, |4 * 0.5|
    assert tracker.uncertainty.tolist() == [0.75, 0.125, 0.25]  # a quarter of |I - Ibar|
    assert tracker.triplet_scores().item() == 3 * 0.75 + 0.5 * 0.125 + 1 * 0.25


def test_without_beta2_the_sensitivity_alone_scores() -> None:
    layers = build_layers(SVDLinear)
    tracker = track(layers, "iptAB,iptE,sumAB,onlyE", beta2=0.0)
    make_step(layers, 0)
    tracker.update()
    E = layers["query"].lora_E
    assert E is not None and E.grad is not None
    expected = (1 - BETA1) * (E * E.grad).abs().flatten()
    torch.testing.assert_close(tracker.triplet_scores()[:3].float(), expected)


def test_scores_are_read_without_changing_anything() -> None:
    layers = build_layers(SVDLinear)
    tracker = track(layers, PAPER)
    make_step(layers, 0)
    tracker.update()
    assert torch.equal(tracker.triplet_scores(), tracker.triplet_scores())
    make_step(layers, 1)
    before = tracker.state_dict()["sensitivity"].clone()
    tracker.triplet_scores()  # a step that is not told is not scored
    assert torch.equal(tracker.state_dict()["sensitivity"], before)


def test_updating_leaves_weights_and_gradients_alone() -> None:
    layers = build_layers(SVDLinear)
    make_step(layers, 0)
    parameters = [p for layer in layers.values() for p in layer.low_rank_parameters()]
    before = [(p.detach().clone(), float64(p.grad).copy()) for p in parameters]
    track(layers, PAPER).update()
    for p, (value, grad) in zip(parameters, before, strict=True):
        assert torch.equal(p, value) and np.array_equal(float64(p.grad), grad)


@pytest.mark.parametrize("metric", [PAPER, "iptAB,iptE,prodAB,prodE"])
def test_tiny_scores_are_still_told_apart(metric: str) -> None:
    layers, large = build_layers(SVDLinear), build_layers(SVDLinear)
    tracker, of_large = track(layers, metric), track(large, metric)
    for step in range(3):
        make_step(layers, step, size=1e-30)
        make_step(large, step)
        tracker.update()
        of_large.update()
    assert tracker.sensitivity.max() < 1e-28  # squared it is nothing in float32
    scores = tracker.triplet_scores()
    assert (scores > 0).all() and scores.unique().numel() == scores.numel()
    assert scores.argsort().tolist() == of_large.triplet_scores().argsort().tolist()


def test_averages_are_float32_whatever_the_base_is_in() -> None:
    layer = SVDLinear(nn.Linear(4, 4, dtype=torch.bfloat16), r=2, alpha=2)
    tracker = track({"half": layer}, PAPER)
    assert tracker.sensitivity.dtype == tracker.uncertainty.dtype == torch.float32


def test_a_parameter_without_a_gradient_is_named_and_nothing_is_scored() -> None:
    layers = build_layers(SVDLinear)
    tracker = track(layers, PAPER)
    make_step(layers, 0)
    layers["wide"].lora_B.grad = None
    with pytest.raises(AllocationError, match="^no gradient reached wide: cannot be scored$"):
        tracker.update()
    assert not tracker.sensitivity.any()


def test_a_state_taken_back_scores_the_same_from_then_on() -> None:
    layers = build_layers(SVDLinear)
    tracker, resumed = track(layers, PAPER), track(layers, PAPER)
    for step in range(3):
        make_step(layers, step)
        tracker.update()
    resumed.load_state_dict({name: t.clone() for name, t in tracker.state_dict().items()})
    assert torch.equal(resumed.triplet_scores(), tracker.triplet_scores())
    make_step(layers, 3)
    tracker.update()
    resumed.update()
    assert torch.equal(resumed.triplet_scores(), tracker.triplet_scores())


@pytest.mark.parametrize(
    ("kind", "metric", "needed"),
    [(LoRALinear, PAPER, "no E tokens"), (SVDLinear, "iptAB,sumAB", "E tokens")],
)
def test_a_metric_for_the_other_kind_of_adapter_is_refused(
    kind: type[AdaptedLinear], metric: str, needed: str
) -> None:
    with pytest.raises(AllocationError, match=f"the adapter of query takes {needed}$"):
        track(build_layers(kind), metric)
