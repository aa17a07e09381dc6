from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.lora import LoRALinear
from qarank.adapters.svd import SVDLinear
from qarank.errors import AllocationError, NonFiniteError
from qarank.ranks.allocator import AllocationRound, RankAllocator, hash_mask, select_triplets
from qarank.ranks.importance import ImportanceTracker, TripletMetric
from qarank.ranks.schedule import BudgetSchedule

KINDS = pytest.mark.parametrize("kind", [LoRALinear, SVDLinear])
SIZES = {"query": 3, "value": 2, "output": 3}  # path -> r
TOTAL = 8


def build_layers(kind: type[AdaptedLinear]) -> dict[str, AdaptedLinear]:
    torch.manual_seed(2)
    return {path: kind(nn.Linear(6, 5), r=r, alpha=8, dropout=0.0) for path, r in SIZES.items()}


def build_schedule(**changes: int | bool) -> BudgetSchedule:
    usual = {
        "start_budget": TOTAL,
        "target_budget": 3,
        "total_steps": 12,
        "tinit": 2,
        "tfinal": 4,
        "delta_t": 3,
    }
    return BudgetSchedule(**(usual | changes))  # type: ignore[arg-type]


class Told:
    """An allocator over fresh layers and the rounds it told of."""

    def __init__(
        self, kind: type[AdaptedLinear] = SVDLinear, schedule: BudgetSchedule | None = None
    ) -> None:
        self.layers = build_layers(kind)
        tokens = "iptAB,iptE,sumAB,sumE" if kind is SVDLinear else "iptAB,sumAB"
        self.rounds: list[AllocationRound] = []
        self.allocator = RankAllocator(
            self.layers,
            schedule=schedule or build_schedule(),
            importance=ImportanceTracker(
                self.layers, metric=TripletMetric.from_tokens(tokens), beta1=0.85, beta2=0.85
            ),
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


class Scripted(ImportanceTracker):
    """Scores as a test gives them."""

    def __init__(self, layers: dict[str, AdaptedLinear], scores: Sequence[Sequence[float]]) -> None:
        metric = TripletMetric.from_tokens("iptAB,iptE,sumAB,sumE")
        super().__init__(layers, metric=metric, beta1=0.85, beta2=0.85)
        self.script = iter(scores)

    def update(self) -> None:
        """Nothing to average."""

    def triplet_scores(self) -> Tensor:
        return torch.tensor(next(self.script), dtype=torch.float64)


def run_script(
    scores: Sequence[Sequence[float]], budgets: int = 3
) -> tuple[dict[str, AdaptedLinear], list[AllocationRound]]:
    """A round a step, each at the target budget, with those scores."""
    layers, rounds = build_layers(SVDLinear), []
    schedule = build_schedule(
        target_budget=budgets, total_steps=99, tinit=0, tfinal=98, delta_t=1, finalize=False
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
    assert len(hashes) == TOTAL and all(len(int_hash) == 16 for int_hash in hashes)


@KINDS
def test_every_round_keeps_the_schedules_budget(kind: type[AdaptedLinear]) -> None:
    told = Told(kind)
    for global_step in range(1, 13):
        told.step(global_step)
        if told.rounds and told.rounds[-1].global_step == global_step:
            (of_round, mask) = (told.rounds[-1], told.allocator.mask())
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
    told.run()
    assert [of_round.global_step for of_round in told.rounds] == [3, 6, 8, 9, 12]
    assert [of_round.budget for of_round in told.rounds[2:]] == [3, 3, 3]
    told = Told(kind, build_schedule(finalize=False))
    told.run(last=10)
    assert all(told.live())  # regrown since the round at 9


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
    before = told.allocator.importance.sensitivity.clone()
    told.run(first=8)
    assert torch.equal(told.allocator.importance.sensitivity, before)


def test_steps_are_scored_to_the_end_without_finalize() -> None:
    told = Told(schedule=build_schedule(finalize=False))
    told.run(last=11)
    before = told.allocator.importance.sensitivity.clone()
    told.step(12)
    assert not torch.equal(told.allocator.importance.sensitivity, before)


def test_a_skipped_step_is_not_scored_and_its_round_uses_the_old_averages() -> None:
    told, plain = Told(), Told()
    told.run(last=5)
    plain.run(last=5)
    with torch.no_grad():
        for layer in told.layers.values():
            layer.lora_A.grad = torch.full_like(layer.lora_A, float("nan"))
    told.allocator.after_optimizer_step(6, skipped=True)
    expected = select_triplets(plain.allocator.importance.triplet_scores(), told.rounds[-1].budget)
    assert told.rounds[-1].global_step == 6
    assert torch.equal(told.allocator.mask(), expected.keep)
    assert told.rounds[-1].threshold == expected.threshold
    averages = told.allocator.importance.sensitivity
    assert torch.equal(averages, plain.allocator.importance.sensitivity)


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


def test_the_model_is_final_from_the_final_round_on() -> None:
    allocator = Told().allocator
    assert [t for t in range(1, 13) if allocator.is_final(t)] == [8, 9, 10, 11, 12]


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


def test_two_allocators_with_the_same_gradients_decide_alike() -> None:
    one, other = Told(), Told()
    one.run()
    other.run()
    assert one.rounds == other.rounds
