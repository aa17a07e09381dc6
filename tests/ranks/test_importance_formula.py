"""Every metric against its formula, entry by entry, on numbers that float32 holds exactly."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.lora import LoRALinear
from qarank.adapters.svd import SVDLinear
from qarank.ranks.importance import ImportanceTracker
from qarank.ranks.metric import DOUBLET_CHOICES, TRIPLET_CHOICES, TripletMetric

TRIPLET_METRICS = list(product(*TRIPLET_CHOICES))
DOUBLET_METRICS = list(product(*DOUBLET_CHOICES))
Shape = tuple[int, int, int]  # in, out, r
Entries = dict[tuple[int, str, int, int], list[tuple[float, float]]]  # values and gradients a step


def build_layers(kind: type[AdaptedLinear], shapes: list[Shape]) -> dict[str, AdaptedLinear]:
    return {
        f"layer.{number}": kind(nn.Linear(i, o), r=r, alpha=8, dropout=0.0)
        for number, (i, o, r) in enumerate(shapes)
    }


@torch.no_grad()
def make_steps(tracker: ImportanceTracker, *, seed: int, num_steps: int) -> Entries:
    """Whole numbers as weights and gradients at each step, told to the tracker; all of them."""
    generator = torch.Generator().manual_seed(seed)
    entries: Entries = {}
    for _ in range(num_steps):
        for number, layer in enumerate(tracker.layers.values()):
            for name, p in zip("ABE", layer.low_rank_parameters(), strict=False):
                p.copy_(torch.randint(-3, 4, p.shape, generator=generator))
                p.grad = torch.randint(-3, 4, p.shape, generator=generator).float()
                for row, values in enumerate(p.tolist()):
                    for column, value in enumerate(values):
                        steps = entries.setdefault((number, name, row, column), [])
                        steps.append((value, p.grad[row, column].item()))
        tracker.update()
    return entries


def score_entry(
    steps: list[tuple[float, float]], *, by_sensitivity: bool, beta1: float, beta2: float
) -> float:
    """I = |p g|; Ibar and Ubar are its averages; Ibar Ubar, or Ibar where beta2 is 0; or |p|."""
    if not by_sensitivity:
        return abs(steps[-1][0])
    ibar = ubar = 0.0
    for value, grad in steps:
        sensitivity = abs(value * grad)
        ibar = beta1 * ibar + (1 - beta1) * sensitivity
        ubar = beta2 * ubar + (1 - beta2) * abs(sensitivity - ibar)
    return ibar * ubar if beta2 > 0 else ibar


def score_plainly(
    entries: Entries, shapes: list[Shape], tokens: tuple[str, ...], betas: tuple[float, float]
) -> list[float]:
    """A triplet at a time; the tokens in their order."""
    of_AB, join_AB = tokens[0], tokens[-1] if len(tokens) == 2 else tokens[2]

    def score(key: tuple[int, str, int, int], token: str) -> float:
        by_sensitivity = token.startswith("ipt")
        steps = entries[key]
        return score_entry(steps, by_sensitivity=by_sensitivity, beta1=betas[0], beta2=betas[1])

    scores = []
    for number, (in_features, out_features, r) in enumerate(shapes):
        for i in range(r):
            row = [score((number, "A", i, column), of_AB) for column in range(in_features)]
            column = [score((number, "B", each, i), of_AB) for each in range(out_features)]
            mean_A, mean_B = sum(row) / in_features, sum(column) / out_features
            joined = mean_A + mean_B if join_AB == "sumAB" else mean_A * mean_B
            if len(tokens) == 2:
                scores.append(joined)
                continue
            of_E = score((number, "E", i, 0), tokens[1])
            ways = {"sumE": of_E + joined, "prodE": of_E * joined, "onlyE": of_E}
            scores.append(ways[tokens[3]])
    return scores


@st.composite
def shape_lists(draw: st.DrawFn) -> list[Shape]:
    sizes = st.tuples(st.integers(1, 4), st.integers(1, 4))
    found = draw(st.lists(sizes, min_size=1, max_size=3))
    return [(i, o, draw(st.integers(1, min(i, o)))) for i, o in found]


@pytest.mark.parametrize("tokens", [*TRIPLET_METRICS, *DOUBLET_METRICS], ids=",".join)
@settings(max_examples=25, deadline=None)
@given(
    shapes=shape_lists(),
    seed=st.integers(0, 2**31),
    num_steps=st.integers(1, 4),
    beta1=st.sampled_from([0.0, 0.5, 0.75]),
    beta2=st.sampled_from([0.0, 0.25, 0.5]),
)
def test_scores_are_what_the_tokens_say(
    tokens: tuple[str, ...],
    shapes: list[Shape],
    seed: int,
    num_steps: int,
    beta1: float,
    beta2: float,
) -> None:
    layers = build_layers(SVDLinear if len(tokens) == 4 else LoRALinear, shapes)
    metric = TripletMetric.from_tokens(",".join(tokens))
    tracker = ImportanceTracker(layers, metric=metric, beta1=beta1, beta2=beta2)
    entries = make_steps(tracker, seed=seed, num_steps=num_steps)
    expected = score_plainly(entries, shapes, tokens, (beta1, beta2))
    assert tracker.triplet_scores().tolist() == pytest.approx(expected, rel=1e-12)


def test_all_twenty_four_and_four_are_there() -> None:
    assert (len(set(TRIPLET_METRICS)), len(set(DOUBLET_METRICS))) == (24, 4)
