import pytest
import torch

from qarank.errors import AllocationError
from qarank.ranks.metric import TripletMetric

PAPER = "iptAB,iptE,sumAB,sumE"
OF_A = torch.tensor([[1.0, 3.0], [0.0, 8.0]])  # means 2 and 4
OF_B = torch.tensor([[5.0, 1.0], [7.0, 1.0], [3.0, 1.0]])  # means 5 and 1
OF_E = torch.tensor([10.0, 20.0])


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ("sumAB,sumE", [17.0, 25.0]),
        ("sumAB,prodE", [70.0, 100.0]),
        ("sumAB,onlyE", [10.0, 20.0]),
        ("prodAB,sumE", [20.0, 24.0]),
        ("prodAB,prodE", [100.0, 80.0]),
        ("prodAB,onlyE", [10.0, 20.0]),
    ],
)
def test_rows_columns_and_e_are_joined_as_the_tokens_say(
    tokens: str, expected: list[float]
) -> None:
    metric = TripletMetric.from_tokens(f"iptAB,iptE,{tokens}")
    assert metric.join(OF_A, OF_B, OF_E).tolist() == expected


@pytest.mark.parametrize(("token", "expected"), [("sumAB", [7.0, 5.0]), ("prodAB", [10.0, 4.0])])
def test_doublets_are_joined_without_e(token: str, expected: list[float]) -> None:
    metric = TripletMetric.from_tokens(f"iptAB,{token}")
    assert metric.e_join is None
    assert metric.join(OF_A, OF_B, None).tolist() == expected


@pytest.mark.parametrize("token", ["iptAB", "magAB"])
@pytest.mark.parametrize("of_E", ["iptE", "magE"])
def test_what_an_entry_counts_by_is_read_from_the_first_two(token: str, of_E: str) -> None:
    metric = TripletMetric.from_tokens(f"{token},{of_E},sumAB,sumE")
    assert (metric.ab_sensitivity, metric.e_sensitivity) == (token == "iptAB", of_E == "iptE")


def test_the_papers_tokens_are_sensitivity_and_sums() -> None:
    assert TripletMetric.from_tokens(PAPER) == TripletMetric(True, True, "sum", "sum")


@pytest.mark.parametrize(
    "metric",
    [
        "",
        "iptAB",
        "iptAB, iptE, sumAB, sumE",
        "iptAB,iptE,sumAB",
        "iptAB,iptE,sumAB,sumE,sumE",
        "iptE,iptAB,sumAB,sumE",
        "iptAB,iptE,onlyAB,sumE",
        "iptab,ipte,sumab,sume",
        "iptAB,iptE",
        "iptAB,onlyE",
    ],
)
def test_other_tokens_are_refused_with_the_legal_ones_in_their_order(metric: str) -> None:
    with pytest.raises(AllocationError) as caught:
        TripletMetric.from_tokens(metric)
    assert str(caught.value) == (
        f"allocator.metric is {metric!r}; iptAB|magAB,iptE|magE,sumAB|prodAB,sumE|prodE|onlyE (svd)"
        " or iptAB|magAB,sumAB|prodAB (frd) is allowed"
    )
