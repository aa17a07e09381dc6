import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qarank.adapters.layer import PlainLoRA
from qarank.adapters.orthogonality import penalty_by_matrix
from qarank.adapters.spectrum import describe_sizes, measure_orthogonality, measure_spectrum
from qarank.adapters.svd import SVDLinear

SIZES = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=8)


def test_the_singular_values_are_those_of_the_dense_update() -> None:
    generator = torch.Generator().manual_seed(0)
    lora_A = torch.randn(3, 10, generator=generator)
    lora_B = torch.randn(7, 3, generator=generator)
    found = measure_spectrum(PlainLoRA(lora_A, lora_B, alpha=6.0))
    dense = torch.linalg.svdvals(6.0 / 3 * lora_B @ lora_A)
    assert found.singular_values == pytest.approx(dense[:3].tolist(), rel=1e-5)
    share = dense.square() / dense.square().sum()
    entropy = -sum(float(p) * math.log(float(p)) for p in share[:3])
    assert found.effective_rank == pytest.approx(math.exp(entropy), rel=1e-5)
    assert found.energy[2] == pytest.approx(float(share[:2].sum()), rel=1e-5)


@given(SIZES)
def test_the_effective_rank_is_at_least_one_and_no_more_than_the_rank(sizes: list[float]) -> None:
    found = describe_sizes(torch.tensor(sorted(sizes, reverse=True), dtype=torch.float64))
    assert 1 - 1e-9 <= found.effective_rank <= len(sizes) + 1e-9
    shares = [found.energy[count] for count in (1, 2, 4)]
    assert all(share is not None and 0 < share <= 1 for share in shares)
    assert shares == sorted(shares)  # type: ignore[type-var]


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_size_of_an_update_changes_no_share(scale: float) -> None:
    found = describe_sizes(torch.tensor([3.0, 4.0]).flip(0) * scale)
    assert found.energy[1] == pytest.approx(0.64)
    assert found.energy[2] == found.energy[4] == pytest.approx(1.0)


@pytest.mark.parametrize("count", [1, 5])
def test_equal_directions_all_count(count: int) -> None:
    assert describe_sizes(torch.ones(count)).effective_rank == pytest.approx(count)


def test_an_update_of_rank_0_has_no_directions() -> None:
    found = measure_spectrum(None)
    assert (found.singular_values, found.effective_rank) == ([], 0.0)
    assert found.energy == {1: None, 2: None, 4: None}


def test_an_update_that_is_zero_has_no_energy_to_share() -> None:
    found = measure_spectrum(PlainLoRA(torch.ones(2, 4), torch.zeros(4, 2), alpha=1.0))
    assert (found.singular_values, found.effective_rank) == ([0.0, 0.0], 0.0)
    assert found.energy == {1: None, 2: None, 4: None}


def test_orthonormal_factors_have_no_error_and_doubled_ones_have_three_a_row() -> None:
    rows = torch.linalg.qr(torch.randn(6, 2, generator=torch.Generator().manual_seed(1)))[0].T
    of_A, of_B = measure_orthogonality({"A": rows, "B": 2 * rows.T})
    assert of_A == pytest.approx(0.0, abs=1e-5)
    assert of_B == pytest.approx(3 * math.sqrt(2), rel=1e-5)  # 4 I - I


def test_orthogonality_is_what_the_penalty_is_made_of() -> None:
    torch.manual_seed(0)
    layer = SVDLinear(torch.nn.Linear(6, 5), r=3, alpha=4)
    wanted = list(penalty_by_matrix({"q": layer}).values())
    found = measure_orthogonality({"A": layer.lora_A.detach(), "B": layer.lora_B.detach()})
    assert list(found) == pytest.approx(wanted, rel=1e-5)
