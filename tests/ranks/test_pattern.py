import pytest
import torch
from torch import nn

from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.lora import LoRALinear
from qarank.adapters.orthogonality import orthogonality_penalty, penalty_by_matrix
from qarank.adapters.svd import SVDLinear
from qarank.errors import AllocationError
from qarank.ranks.pattern import PatternAllocator
from qarank.ranks.protocol import AllocationRound
from qarank.ranks.selection import hash_mask

KINDS = pytest.mark.parametrize("kind", [LoRALinear, SVDLinear])
RANKS = {"query": 2, "value": 0, "output": 3}
MASK = [True, True, False, False, False, False, True, True, True]


def build(
    kind: type[AdaptedLinear], ranks: dict[str, int] = RANKS
) -> tuple[PatternAllocator, dict[str, AdaptedLinear], list[AllocationRound]]:
    """An allocator over three matrices of three triplets, all alive, and what it tells of."""
    torch.manual_seed(3)
    layers = {path: kind(nn.Linear(6, 5), r=3, alpha=3, dropout=0.0) for path in RANKS}
    for layer in layers.values():
        for p in layer.low_rank_parameters():
            nn.init.normal_(p)
    told: list[AllocationRound] = []
    return PatternAllocator(layers, ranks, budget=55, on_round=told.append), layers, told


def live(layers: dict[str, AdaptedLinear]) -> list[bool]:
    """Triplets through which something flows, masked or not."""
    gates = [
        layer.lora_B.abs().sum(dim=0) if layer.lora_E is None else layer.lora_E.flatten()
        for layer in layers.values()
    ]
    return torch.cat(gates).ne(0).tolist()


@KINDS
def test_the_first_triplets_of_each_matrix_stay(kind: type[AdaptedLinear]) -> None:
    allocator, layers, _ = build(kind)
    assert allocator.mask().all() and allocator.num_rounds == 0
    allocator.before_training()
    assert allocator.mask().tolist() == MASK == live(layers)
    assert {path: layer.rank for path, layer in layers.items()} == RANKS


def test_the_decision_is_told_as_a_round_at_step_zero() -> None:
    allocator, _, told = build(SVDLinear)
    allocator.before_training()
    (only,) = told
    assert only == AllocationRound(
        global_step=0,
        budget=55,
        threshold=None,
        ranks=RANKS,
        revived=0,
        mask_hash=hash_mask(torch.tensor(MASK)),
    )
    assert allocator.num_rounds == 1


@KINDS
@pytest.mark.parametrize("resumed", [False, True])
def test_a_step_is_that_of_adapters_built_at_those_ranks(
    kind: type[AdaptedLinear], resumed: bool
) -> None:
    allocator, layers, _ = build(kind)
    allocator.before_training()
    if resumed:
        state, (allocator, layers, _) = allocator.state_dict(), build(kind)
        allocator.load_state_dict(state)
    built = {path: at_rank(layers[path], kind, rank) for path, rank in RANKS.items() if rank}
    for layer in (*layers.values(), *built.values()):
        layer.train()(torch.ones(2, 6)).square().sum().backward()
    orthogonality_penalty(layers.values()).backward()
    orthogonality_penalty(built.values()).backward()
    for path, rank in RANKS.items():
        for p in layers[path].low_rank_parameters():
            triplets = p.T if p is layers[path].lora_B else p  # (r, ...)
            grads = p.grad.T if p is layers[path].lora_B else p.grad
            assert len(triplets) == 3 and not grads[rank:].any()
    for path, layer in built.items():
        found = [layers[path].lora_A.grad[: layer.r], layers[path].lora_B.grad[:, : layer.r]]
        torch.testing.assert_close(found, [layer.lora_A.grad, layer.lora_B.grad])
        if layer.lora_E is not None:
            torch.testing.assert_close(layers[path].lora_E.grad[: layer.r], layer.lora_E.grad)
    named = penalty_by_matrix(layers)
    assert named == pytest.approx(penalty_by_matrix(built))
    assert set(named) == {f"{path}.lora_{name}" for path in built for name in "AB"}


def at_rank(layer: AdaptedLinear, kind: type[AdaptedLinear], rank: int) -> AdaptedLinear:
    """An adapter of that rank alone, with the first triplets of another at the same scale."""
    alone = kind(layer.base_layer, r=rank, alpha=layer.scaling * rank, dropout=0.0)
    alone.lora_A.data.copy_(layer.lora_A[:rank])
    alone.lora_B.data.copy_(layer.lora_B[:, :rank])
    if alone.lora_E is not None and layer.lora_E is not None:
        alone.lora_E.data.copy_(layer.lora_E[:rank])
    return alone


def test_ranks_may_come_in_another_order_and_with_others() -> None:
    ranks = {"elsewhere": 9, **dict(reversed(RANKS.items()))}
    allocator, _, told = build(SVDLinear, ranks)
    allocator.before_training()
    assert allocator.mask().tolist() == MASK
    assert list(told[0].ranks.items()) == list(RANKS.items())


@pytest.mark.parametrize("rank", [-1, 4])
def test_a_rank_that_does_not_fit_its_matrix_is_refused(rank: int) -> None:
    with pytest.raises(AllocationError, match=rf"^value: rank {rank}; 0\.\.3 are there$"):
        build(SVDLinear, RANKS | {"value": rank})


def test_a_state_taken_back_sets_the_masks_and_tells_nothing() -> None:
    first, _, _ = build(LoRALinear)
    first.before_training()
    second, layers, told = build(LoRALinear)
    second.load_state_dict(first.state_dict())
    assert second.mask().tolist() == MASK and second.num_rounds == 1 and told == []
    assert live(layers) == MASK
