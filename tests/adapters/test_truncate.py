import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from qarank.adapters.layer import PlainLoRA
from qarank.adapters.truncate import ranks_within, singular_triplets, truncate_update


def draw(k: int, rows: int, columns: int, seed: int) -> PlainLoRA:
    generator = torch.Generator().manual_seed(seed)
    lora_A = torch.randn(k, columns, generator=generator)
    return PlainLoRA(lora_A, torch.randn(rows, k, generator=generator), alpha=5.0)


def delta(update: PlainLoRA) -> Tensor:
    return update.alpha / update.lora_A.shape[0] * update.lora_B.double() @ update.lora_A.double()


UPDATES = st.builds(
    draw, st.integers(1, 9), st.integers(1, 7), st.integers(1, 8), st.integers(0, 99)
)


@given(update=UPDATES, rank=st.integers(1, 10))
def test_no_update_of_that_rank_is_nearer_than_the_svd_of_the_whole_matrix(
    update: PlainLoRA, rank: int
) -> None:
    found, share = truncate_update(update, rank)
    u, sizes, vt = torch.linalg.svd(delta(update), full_matrices=False)
    best = u[:, :rank] * sizes[:rank] @ vt[:rank]
    assert found.lora_A.shape[0] <= rank
    torch.testing.assert_close(delta(found), best, atol=1e-5, rtol=1e-5)
    kept = sizes[:rank].square().sum() / sizes.square().sum()
    assert share == pytest.approx(float(kept), abs=1e-9)


@given(update=UPDATES)
def test_singular_triplets_are_orthonormal_and_make_the_update(update: PlainLoRA) -> None:
    u, sizes, vt = singular_triplets(update)
    torch.testing.assert_close(u * sizes @ vt, delta(update))
    assert (sizes.diff() <= 0).all()
    eye = torch.eye(len(sizes), dtype=torch.float64)
    torch.testing.assert_close(u.T @ u, eye)
    torch.testing.assert_close(vt @ vt.T, eye)


def test_a_rank_it_has_changes_nothing() -> None:
    update = draw(3, 6, 5, 0)
    found, share = truncate_update(update, 3)
    torch.testing.assert_close(delta(found), delta(update), atol=1e-5, rtol=1e-5)
    assert share == pytest.approx(1.0)


def test_an_update_of_nothing_keeps_all_of_it() -> None:
    nothing = PlainLoRA(torch.zeros(2, 4), torch.zeros(3, 2), alpha=1.0)
    found, share = truncate_update(nothing, 1)
    assert share == 1.0
    assert not delta(found).any()


@given(
    values=st.lists(st.lists(st.sampled_from([0.5, 1.0, 2.0, 4.0]), max_size=4), max_size=4),
    budget=st.integers(0, 20),
)
def test_a_budget_keeps_the_largest_singular_values_of_all(
    values: list[list[float]], budget: int
) -> None:
    spectra = {str(n): torch.tensor(sorted(row, reverse=True)) for n, row in enumerate(values)}
    ranks = ranks_within(spectra, budget)
    kept = [size for n, row in spectra.items() for size in row[: ranks[n]].tolist()]
    every = sorted((size for row in values for size in row), reverse=True)
    assert sorted(kept, reverse=True) == every[:budget]


def test_equal_values_are_kept_in_the_earlier_matrix() -> None:
    spectra = {"a": torch.tensor([1.0]), "b": torch.tensor([1.0, 1.0])}
    assert ranks_within(spectra, 2) == {"a": 1, "b": 1}
