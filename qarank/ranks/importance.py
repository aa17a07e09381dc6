"""AdaLoRA's score of an entry: smoothed sensitivity times its uncertainty.

    I    = |p * grad|                                 p after the step, grad as the step used it
    Ibar = beta1 * Ibar + (1 - beta1) * I
    Ubar = beta2 * Ubar + (1 - beta2) * |I - Ibar|
    score of an entry = Ibar * Ubar, or Ibar where beta2 is 0

Dims: n: entries of all low-rank parameters together; r: triplets of one matrix; total: of all.
Source: arXiv:2303.10512, section 3.2, equations 9 to 11. Differs, as the released code does: p is
the one after the step.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from qarank.adapters.layer import AdaptedLinear
from qarank.errors import AllocationError
from qarank.ranks.metric import TripletMetric


class ImportanceTracker:
    """A `TripletScorer` by running averages of sensitivity, in two flat vectors for all matrices.

    Flat, so that an update is a dozen tensor operations however many matrices there are.

    Args:
        layers: path -> adapter.
        metric: how entries become triplets.
        beta1: smoothing of the sensitivity, 0 <= beta1 < 1.
        beta2: smoothing of the uncertainty, 0 <= beta2 < 1; 0 scores by the sensitivity alone.

    Raises:
        AllocationError: the metric scores E and the adapters have none, or the other way round.
    """

    def __init__(
        self,
        layers: Mapping[str, AdaptedLinear],
        *,
        metric: TripletMetric,
        beta1: float,
        beta2: float,
    ) -> None:
        for path, layer in layers.items():
            if (layer.lora_E is None) != (metric.e_join is None):
                needed = "no E tokens" if layer.lora_E is None else "E tokens"
                raise AllocationError(f"allocator.metric: the adapter of {path} takes {needed}")
        self.layers = layers
        self.metric, self.beta1, self.beta2 = metric, beta1, beta2
        self._parameters = [p for layer in layers.values() for p in layer.low_rank_parameters()]
        device = self._parameters[0].device
        num_entries = sum(parameter.numel() for parameter in self._parameters)
        self.sensitivity = torch.zeros(num_entries, device=device)  # (n,) float32
        self.uncertainty = torch.zeros(num_entries, device=device)  # (n,) float32
        self.num_updates = 0

    @property
    def is_ready(self) -> bool:
        """Whether a step has been scored."""
        return self.num_updates > 0

    @torch.no_grad()
    def update(self) -> None:
        """Score one step: parameters after it, gradients as the optimizer used them.

        Raises:
            AllocationError: a low-rank parameter had no gradient.
        """
        unused = [
            path
            for path, layer in self.layers.items()
            if any(p.grad is None for p in layer.low_rank_parameters())
        ]
        if unused:
            raise AllocationError(f"no gradient reached {', '.join(unused[:3])}: cannot be scored")
        values = torch.cat([p.flatten() for p in self._parameters])
        current = torch.cat([_grad(p).flatten() for p in self._parameters]).mul_(values).abs_()
        self.sensitivity.mul_(self.beta1).add_(current, alpha=1 - self.beta1)
        current.sub_(self.sensitivity).abs_()
        self.uncertainty.mul_(self.beta2).add_(current, alpha=1 - self.beta2)
        self.num_updates += 1

    @torch.no_grad()
    def triplet_scores(self) -> Tensor:
        """(total,) float64, matrices in order, higher is better.

        Joined in float64: products of two small averages underflow in float32.
        """
        scores = self.sensitivity.double()
        if self.beta2 > 0:
            scores *= self.uncertainty
        pieces = iter(torch.split(scores, [p.numel() for p in self._parameters]))
        return torch.cat([self._layer_scores(layer, pieces) for layer in self.layers.values()])

    def state_dict(self) -> dict[str, Tensor]:
        """Both averages, (n,) each, and how many steps they hold."""
        return {
            "sensitivity": self.sensitivity,
            "uncertainty": self.uncertainty,
            "num_updates": torch.tensor(self.num_updates),
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self.sensitivity.copy_(state["sensitivity"])
        self.uncertainty.copy_(state["uncertainty"])
        self.num_updates = int(state["num_updates"])

    def _layer_scores(self, layer: AdaptedLinear, pieces: Iterator[Tensor]) -> Tensor:
        """(r,) of one matrix; takes its two or three pieces of the flat vector."""
        element_A = next(pieces).view_as(layer.lora_A)  # (r, in_features)
        element_B = next(pieces).view_as(layer.lora_B)  # (out_features, r)
        if not self.metric.ab_sensitivity:
            element_A, element_B = layer.lora_A.double().abs(), layer.lora_B.double().abs()
        element_E = None if layer.lora_E is None else next(pieces)  # (r,)
        if layer.lora_E is not None and not self.metric.e_sensitivity:
            element_E = layer.lora_E.double().abs().flatten()
        return self.metric.join(element_A, element_B, element_E)


def _grad(parameter: torch.nn.Parameter) -> Tensor:
    assert parameter.grad is not None  # checked for all layers before
    return parameter.grad
