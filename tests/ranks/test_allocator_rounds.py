"""What a round does and tells of, given the scores."""

from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor, nn

from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.lora import LoRALinear
from qarank.adapters.svd import SVDLinear
from qarank.errors import NoOpError
from qarank.ranks.allocator import RankAllocator
from qarank.ranks.importance import ImportanceTracker
from qarank.ranks.metric import TripletMetric
from qarank.ranks.norm import NormScorer
from qarank.ranks.protocol import AllocationRound, TripletScorer
from qarank.ranks.schedule import BudgetSchedule
from qarank.ranks.selection import Pool

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
        layers, schedule=schedule, scorer=Scripted(layers, scores), on_round=rounds.append
    )
    for global_step in range(1, len(scores) + 1):
        allocator.after_optimizer_step(global_step, skipped=False)
    return layers, rounds


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


def measured_by(layers: Mapping[str, AdaptedLinear]) -> list[TripletScorer]:
    metric = TripletMetric.from_tokens("iptAB,iptE,sumAB,sumE")
    return [ImportanceTracker(layers, metric=metric, beta1=0.85, beta2=0.85), NormScorer(layers)]


@pytest.mark.parametrize("number", [0, 1], ids=["sensitivity", "norm"])
def test_nothing_is_cut_before_there_is_anything_to_score_by(number: int) -> None:
    layers = {"only": SVDLinear(nn.Linear(6, 6), r=4, alpha=8)}
    allocator = RankAllocator(
        layers,
        schedule=BudgetSchedule(4, 2, total_steps=10, tinit=0, tfinal=9, delta_t=1),
        scorer=measured_by(layers)[number],
    )
    with pytest.raises(NoOpError, match="step 1: triplets are to be cut, but none has"):
        allocator.after_optimizer_step(1, skipped=True)
    assert layers["only"].rank == 4


def test_a_ceiling_cuts_at_a_round_though_the_budget_would_keep_all() -> None:
    layers = {"only": SVDLinear(nn.Linear(6, 6), r=4, alpha=8)}
    allocator = RankAllocator(
        layers,
        schedule=BudgetSchedule(4, 4, total_steps=10, tinit=0, tfinal=9, delta_t=1),
        scorer=NormScorer(layers),
        pool=Pool((4,), (1,), max_rank=3),
    )
    with pytest.raises(NoOpError, match="step 1: triplets are to be cut, but none has"):
        allocator.after_optimizer_step(1, skipped=True)
    nn.init.ones_(layers["only"].lora_E)
    allocator.after_optimizer_step(1, skipped=False)
    assert layers["only"].rank == 3


def test_doublets_that_a_step_of_rate_0_scored_are_not_cut_by_their_order() -> None:
    layers = {"only": LoRALinear(nn.Linear(6, 6), r=4, alpha=8)}
    metric = TripletMetric.from_tokens("iptAB,sumAB")
    allocator = RankAllocator(
        layers,
        schedule=BudgetSchedule(4, 2, total_steps=10, tinit=0, tfinal=8, delta_t=1),
        scorer=ImportanceTracker(layers, metric=metric, beta1=0.85, beta2=0.85),
    )
    layers["only"](torch.ones(1, 6)).sum().backward()  # B is 0, so A has no gradient
    with pytest.raises(NoOpError, match="step 1: triplets are to be cut, but none has"):
        allocator.after_optimizer_step(1, skipped=False)
    assert layers["only"].rank == 4
