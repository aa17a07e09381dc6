"""Which triplets a round keeps, given their scores."""

from collections.abc import Mapping, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.svd import SVDLinear
from qarank.errors import AllocationError, NonFiniteError, NoOpError
from qarank.ranks.allocator import AllocationRound, RankAllocator, hash_mask, select_triplets
from qarank.ranks.importance import ImportanceTracker, TripletMetric
from qarank.ranks.schedule import BudgetSchedule

SIZES = {"query": 3, "value": 2, "output": 3}  # path -> r
TOTAL = 8


class Scripted(ImportanceTracker):
    """Scores as a test gives them."""

    def __init__(
        self, layers: Mapping[str, AdaptedLinear], scores: Sequence[Sequence[float]]
    ) -> None:
        metric = TripletMetric.from_tokens("iptAB,iptE,sumAB,sumE")
        super().__init__(layers, metric=metric, beta1=0.85, beta2=0.85)
        self.script = iter(scores)

    def update(self) -> None:
        """Nothing to average."""
        self.num_updates += 1

    def triplet_scores(self) -> Tensor:
        return torch.tensor(next(self.script), dtype=torch.float64)


def run_script(
    scores: Sequence[Sequence[float]],
) -> tuple[dict[str, SVDLinear], list[AllocationRound]]:
    """A round a step, each with a budget of 3, with those scores."""
    layers = {path: SVDLinear(nn.Linear(6, 5), r=r, alpha=8) for path, r in SIZES.items()}
    rounds: list[AllocationRound] = []
    schedule = BudgetSchedule(
        start_budget=TOTAL,
        target_budget=3,
        total_steps=99,
        tinit=0,
        tfinal=98,
        delta_t=1,
        finalize=False,
    )
    allocator = RankAllocator(
        layers, schedule=schedule, importance=Scripted(layers, scores), on_round=rounds.append
    )
    for global_step in range(1, len(scores) + 1):
        allocator.after_optimizer_step(global_step, skipped=False)
    return layers, rounds


@given(
    scores=st.lists(st.sampled_from([0.0, -0.0, 1e-60, 0.5, 0.5, 2.0]), min_size=1, max_size=40),
    share=st.floats(0, 1),
)
def test_exactly_the_budget_is_kept_and_ties_go_to_the_earlier_triplet(
    scores: list[float], share: float
) -> None:
    budget = round(share * len(scores))
    selection = select_triplets(torch.tensor(scores, dtype=torch.float64), budget)
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    assert selection.keep.nonzero().flatten().tolist() == sorted(order[:budget])
    cut = [scores[i] for i in order[budget:]]
    assert selection.threshold == (max(cut) if cut else None)


@pytest.mark.parametrize("budget", range(TOTAL + 1))
def test_a_thousand_ties_are_cut_as_exactly(budget: int) -> None:
    keep = select_triplets(torch.ones(1000, dtype=torch.float64), budget).keep
    assert keep.tolist() == [True] * budget + [False] * (1000 - budget)


@pytest.mark.parametrize("budget", [-1, 4])
def test_a_budget_out_of_range_is_told_with_both_numbers(budget: int) -> None:
    with pytest.raises(AllocationError, match=f"^budget is {budget}; the matrices hold 3 triplets"):
        select_triplets(torch.ones(3, dtype=torch.float64), budget)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("budget", [0, 1, 3])
def test_a_score_that_is_not_finite_ends_the_run(bad: float, budget: int) -> None:
    with pytest.raises(NonFiniteError, match="^a triplet's score is not finite") as caught:
        select_triplets(torch.tensor([1.0, bad, 2.0], dtype=torch.float64), budget)
    assert caught.value.exit_code == 3


def test_the_best_triplets_win_across_matrices_whatever_each_is_left_with() -> None:
    layers, (told,) = run_script([[9, 8, 7, 0, 0, 0, 0, 6]])
    assert told.ranks == {"query": 3, "value": 0, "output": 0}
    assert [layer.rank for layer in layers.values()] == [3, 0, 0]
    assert (told.global_step, told.budget, told.threshold, told.revived) == (1, 3, 6.0, 0)


def test_revived_counts_what_the_round_before_had_cut() -> None:
    first, second = [9, 8, 7, 0, 0, 0, 0, 6], [9, 0, 0, 0, 5, 0, 0, 6]
    _, rounds = run_script([first, second, second, first])
    assert [told.revived for told in rounds] == [0, 2, 0, 2]


def test_the_hash_is_the_patterns() -> None:
    one, other = [9, 8, 7, 0, 0, 0, 0, 6], [9, 8, 0, 0, 0, 0, 0, 6]
    _, rounds = run_script([one, other, one])
    assert rounds[0].mask_hash == rounds[2].mask_hash != rounds[1].mask_hash
    hashes = {hash_mask(torch.arange(TOTAL) == i) for i in range(TOTAL)}
    assert len(hashes) == TOTAL and all(len(digits) == 16 for digits in hashes)


def test_nothing_is_cut_before_a_step_was_scored() -> None:
    layers = {"only": SVDLinear(nn.Linear(6, 6), r=4, alpha=8)}
    metric = TripletMetric.from_tokens("iptAB,iptE,sumAB,sumE")
    allocator = RankAllocator(
        layers,
        schedule=BudgetSchedule(4, 2, total_steps=10, tinit=0, tfinal=9, delta_t=1),
        importance=ImportanceTracker(layers, metric=metric, beta1=0.85, beta2=0.85),
    )
    with pytest.raises(NoOpError, match="step 1: triplets are to be cut, but no step"):
        allocator.after_optimizer_step(1, skipped=False)
    assert layers["only"].rank == 4
