import pytest
import torch
from torch import nn

from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.lora import LoRALinear
from qarank.adapters.svd import SVDLinear
from qarank.ranks.allocator import RankAllocator
from qarank.ranks.importance import ImportanceTracker
from qarank.ranks.metric import TripletMetric
from qarank.ranks.protocol import AllocationRound
from qarank.ranks.schedule import BudgetSchedule
from qarank.ranks.selection import hash_mask, select_triplets

KINDS = pytest.mark.parametrize("kind", [LoRALinear, SVDLinear])
SIZES = {"query": 3, "value": 2, "output": 3}  # path -> r
TOTAL = 8


def build_layers(kind: type[AdaptedLinear]) -> dict[str, AdaptedLinear]:
    torch.manual_seed(2)
    return {path: kind(nn.Linear(6, 5), r=r, alpha=8, dropout=0.0) for path, r in SIZES.items()}


def build_schedule(**changes: int | bool) -> BudgetSchedule:
    usual = {"start_budget": TOTAL, "target_budget": 3, "delta_t": 3}
    usual |= {"total_steps": 12, "tinit": 2, "tfinal": 4}
    return BudgetSchedule(**(usual | changes))  # type: ignore[arg-type]


class Told:
    """An allocator over fresh layers and the rounds it told of."""

    def __init__(
        self, kind: type[AdaptedLinear] = SVDLinear, schedule: BudgetSchedule | None = None
    ) -> None:
        self.layers = build_layers(kind)
        tokens = "iptAB,iptE,sumAB,sumE" if kind is SVDLinear else "iptAB,sumAB"
        self.rounds: list[AllocationRound] = []
        self.importance = ImportanceTracker(
            self.layers, metric=TripletMetric.from_tokens(tokens), beta1=0.85, beta2=0.85
        )
        self.allocator = RankAllocator(
            self.layers,
            schedule=schedule or build_schedule(),
            scorer=self.importance,
            on_round=self.rounds.append,
        )

    @torch.no_grad()
    def step(self, global_step: int, *, skipped: bool = False) -> None:
        """Any gradients, an optimizer step against them, and the hook."""
        generator = torch.Generator().manual_seed(global_step)
        for layer in self.layers.values():
            for p in layer.low_rank_parameters():
                p.grad = torch.randn(p.shape, generator=generator)
                if not skipped:
                    p.sub_(p.grad, alpha=0.1)
        self.allocator.after_optimizer_step(global_step, skipped=skipped)

    def run(self, first: int = 1, last: int = 12) -> None:
        for global_step in range(first, last + 1):
            self.step(global_step)

    def live(self) -> list[bool]:
        """Triplets through which something flows, masked or not."""
        gates = [
            layer.lora_B.abs().sum(dim=0) if layer.lora_E is None else layer.lora_E.flatten()
            for layer in self.layers.values()
        ]
        return torch.cat(gates).ne(0).tolist()


@KINDS
def test_every_round_keeps_the_schedules_budget(kind: type[AdaptedLinear]) -> None:
    told = Told(kind)
    for global_step in range(1, 13):
        told.step(global_step)
        if told.rounds and told.rounds[-1].global_step == global_step:
            of_round, mask = told.rounds[-1], told.allocator.mask()
            assert of_round.budget == build_schedule().budget_at(global_step) == int(mask.sum())
            assert sum(of_round.ranks.values()) == of_round.budget
            assert of_round.mask_hash == hash_mask(mask)
            assert told.live() == mask.tolist()
    assert [of_round.global_step for of_round in told.rounds] == build_schedule().rounds()
    assert told.allocator.num_rounds == 3


@KINDS
def test_before_the_first_round_nothing_is_cut(kind: type[AdaptedLinear]) -> None:
    told = Told(kind)
    told.run(last=2)
    assert told.rounds == [] and all(told.live()) and told.allocator.mask().all()


@KINDS
def test_between_rounds_what_was_cut_may_regrow_though_it_stays_masked(
    kind: type[AdaptedLinear],
) -> None:
    told = Told(kind)
    told.run(last=6)
    assert not all(told.live())
    told.step(7)
    assert all(told.live())
    assert int(told.allocator.mask().sum()) == told.rounds[-1].budget < TOTAL


@KINDS
def test_a_triplet_that_was_cut_comes_back_once_it_matters(kind: type[AdaptedLinear]) -> None:
    told = Told(kind, build_schedule(total_steps=100, tfinal=60))
    told.run(last=24)
    mask = told.allocator.mask()
    lost = int((~mask).nonzero()[0])
    path, row = [(path, i) for path, r in SIZES.items() for i in range(r)][lost]
    for global_step in range(25, 28):
        with torch.no_grad():  # the other triplets rest, this one is what training moves
            for other, layer in told.layers.items():
                for p in layer.low_rank_parameters():
                    p.grad = torch.zeros_like(p)
                    if other == path:
                        rows = p.grad.T if p is layer.lora_B else p.grad
                        rows[row] = 100.0
                        p.sub_(p.grad, alpha=0.1)
        told.allocator.after_optimizer_step(global_step, skipped=False)
    assert told.rounds[-1].global_step == 27 and told.rounds[-1].revived == 1
    assert told.allocator.mask()[lost] and told.live()[lost]


@KINDS
def test_from_the_final_round_on_the_pattern_is_fixed_and_cut_after_every_step(
    kind: type[AdaptedLinear],
) -> None:
    told = Told(kind)
    told.run(last=8)
    pattern = told.allocator.mask().tolist()
    assert sum(pattern) == 3 and told.live() == pattern
    for global_step in range(9, 13):
        told.step(global_step)
        assert told.live() == pattern == told.allocator.mask().tolist()
    assert told.rounds[-1].global_step == 8


def test_a_skipped_step_of_the_final_phase_is_cut_too() -> None:
    told = Told()
    told.run(last=9)
    with torch.no_grad():
        for layer in told.layers.values():
            assert layer.lora_E is not None
            layer.lora_E.fill_(1.0)
    told.step(10, skipped=True)
    assert told.live() == told.allocator.mask().tolist()


@KINDS
def test_without_finalize_the_pattern_may_move_to_the_end(kind: type[AdaptedLinear]) -> None:
    told = Told(kind, build_schedule(finalize=False))
    told.run(last=10)
    assert all(told.live())  # regrown since the round at 9
    told.run(first=11)
    assert [of_round.global_step for of_round in told.rounds] == [3, 6, 8, 9, 12]
    assert [of_round.budget for of_round in told.rounds[2:]] == [3, 3, 3]


@KINDS
def test_doublets_or_triplets_lose_only_their_gate(kind: type[AdaptedLinear]) -> None:
    told = Told(kind)
    told.run(last=5)
    before = {path: layer.lora_A.detach().clone() for path, layer in told.layers.items()}
    columns = {path: layer.lora_B.detach().clone() for path, layer in told.layers.items()}
    told.allocator.schedule = build_schedule(tfinal=7)  # a round now, at the target budget
    told.allocator.after_optimizer_step(5, skipped=True)
    assert int(told.allocator.mask().sum()) == 3
    for path, layer in told.layers.items():
        assert torch.equal(layer.lora_A, before[path])
        kept = columns[path] * layer.rank_mask if layer.lora_E is None else columns[path]
        assert torch.equal(layer.lora_B, kept)


def test_steps_are_scored_up_to_the_final_one() -> None:
    told = Told()
    told.run(last=7)
    before = told.importance.sensitivity.clone()
    told.run(first=8)
    assert torch.equal(told.importance.sensitivity, before)


def test_steps_are_scored_to_the_end_without_finalize() -> None:
    told = Told(schedule=build_schedule(finalize=False))
    told.run(last=11)
    before = told.importance.sensitivity.clone()
    told.step(12)
    assert not torch.equal(told.importance.sensitivity, before)


def test_a_skipped_step_is_not_scored_and_its_round_uses_the_old_averages() -> None:
    told, plain = Told(), Told()
    told.run(last=5)
    plain.run(last=5)
    with torch.no_grad():
        for layer in told.layers.values():
            layer.lora_A.grad = torch.full_like(layer.lora_A, float("nan"))
    told.allocator.after_optimizer_step(6, skipped=True)
    scores, pool = plain.importance.triplet_scores(), plain.allocator.pool
    expected = select_triplets(scores, told.rounds[-1].budget, pool)
    assert told.rounds[-1].global_step == 6
    assert torch.equal(told.allocator.mask(), expected.keep)
    assert told.rounds[-1].threshold == expected.threshold
    assert told.rounds[-1].margin == expected.margin
    averages = told.importance.sensitivity
    assert torch.equal(averages, plain.importance.sensitivity)


@KINDS
def test_equal_budgets_mean_no_pruning(kind: type[AdaptedLinear]) -> None:
    told = Told(kind, build_schedule(target_budget=TOTAL))
    told.run()
    assert all(told.live()) and told.allocator.mask().all()
    assert len(told.rounds) == 3
    for of_round in told.rounds:
        assert of_round.threshold is None and of_round.ranks == SIZES


def test_a_target_of_nothing_cuts_everything() -> None:
    told = Told(schedule=build_schedule(target_budget=0))
    told.run()
    assert not any(told.live()) and set(told.rounds[-1].ranks.values()) == {0}


@KINDS
@pytest.mark.parametrize("stop", [1, 4, 6, 8, 10])
def test_a_state_taken_back_goes_on_as_if_never_stopped(
    kind: type[AdaptedLinear], stop: int
) -> None:
    whole, first, second = Told(kind), Told(kind), Told(kind)
    whole.run()
    first.run(last=stop)
    for path, layer in first.layers.items():
        for p, saved in zip(
            second.layers[path].low_rank_parameters(), layer.low_rank_parameters(), strict=True
        ):
            p.data.copy_(saved)
    second.allocator.load_state_dict(first.allocator.state_dict())
    second.run(first=stop + 1)
    assert first.rounds + second.rounds == whole.rounds
    assert second.allocator.num_rounds == len(whole.rounds)
    for path, layer in whole.layers.items():
        for name, tensor in layer.state_dict().items():
            assert torch.equal(tensor, second.layers[path].state_dict()[name]), (path, name)
