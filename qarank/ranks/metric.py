"""How scores of entries become scores of triplets: the tokens of `allocator.metric`.

    iptAB | magAB          an entry of A or B counts by its sensitivity, or by |value|
    iptE | magE            an entry of E likewise
    sumAB | prodAB         mean over row i of A, joined with the mean over column i of B
    sumE | prodE | onlyE   that, joined with E's; or E's alone

The paper's are iptAB,iptE,sumAB,sumE. Doublets have no E: the first and third token say it all.

Dims: r: triplets of one matrix.
Source: `--select_metric` of AdaLoRA's first code; arXiv:2303.10512, equation 8.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from qarank.errors import AllocationError

TRIPLET_CHOICES: tuple[tuple[str, ...], ...] = (
    ("iptAB", "magAB"),
    ("iptE", "magE"),
    ("sumAB", "prodAB"),
    ("sumE", "prodE", "onlyE"),
)
DOUBLET_CHOICES = (TRIPLET_CHOICES[0], TRIPLET_CHOICES[2])


@dataclass(frozen=True)
class TripletMetric:
    """The tokens, understood.

    Attributes:
        ab_sensitivity: A and B by sensitivity (iptAB), else by absolute value (magAB).
        e_sensitivity: E by sensitivity (iptE), else by absolute value (magE).
        ab_join: "sum" or "prod" of the means over row i of A and column i of B.
        e_join: "sum", "prod" or "only" of that with E's; None for doublets.
    """

    ab_sensitivity: bool
    e_sensitivity: bool
    ab_join: str
    e_join: str | None

    @classmethod
    def from_tokens(cls, metric: str) -> "TripletMetric":
        """Read `iptAB,iptE,sumAB,sumE` and its like, or `iptAB,sumAB` for doublets.

        Raises:
            AllocationError: not two or four known tokens in their order.
        """
        tokens = metric.split(",")
        if not any(_fits(tokens, choices) for choices in (TRIPLET_CHOICES, DOUBLET_CHOICES)):
            for_svd, for_frd = (
                ",".join("|".join(allowed) for allowed in choices)
                for choices in (TRIPLET_CHOICES, DOUBLET_CHOICES)
            )
            raise AllocationError(
                f"allocator.metric is {metric!r}; {for_svd} (svd) or {for_frd} (frd) is allowed"
            )
        ab_join = tokens[-1] if len(tokens) == 2 else tokens[2]
        return cls(
            ab_sensitivity=tokens[0] == "iptAB",
            e_sensitivity="iptE" in tokens,
            ab_join=ab_join.removesuffix("AB"),
            e_join=tokens[3].removesuffix("E") if len(tokens) == 4 else None,
        )

    def join(self, of_A: Tensor, of_B: Tensor, of_E: Tensor | None) -> Tensor:
        """(r,) scores of one matrix's triplets.

        Args:
            of_A: (r, in_features) scores of entries.
            of_B: (out_features, r).
            of_E: (r,); None of doublets.
        """
        mean_A, mean_B = of_A.mean(dim=1), of_B.mean(dim=0)
        of_AB = mean_A + mean_B if self.ab_join == "sum" else mean_A * mean_B
        if of_E is None or self.e_join == "only":
            return of_AB if of_E is None else of_E
        return of_E * of_AB if self.e_join == "prod" else of_E + of_AB


def _fits(tokens: Sequence[str], choices: Sequence[Sequence[str]]) -> bool:
    return len(tokens) == len(choices) and all(
        token in allowed for token, allowed in zip(tokens, choices, strict=True)
    )
