"""What holds for every allocator, on a short training of three small matrices."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.lora import LoRALinear
from qarank.adapters.svd import SVDLinear
from qarank.engine.distributed import ALONE, Processes
from qarank.ranks.allocator import RankAllocator
from qarank.ranks.importance import ImportanceTracker
from qarank.ranks.metric import TripletMetric
from qarank.ranks.norm import NormScorer
from qarank.ranks.pattern import PatternAllocator
from qarank.ranks.protocol import AllocationRound, Allocator, TripletScorer
from qarank.ranks.random_scores import RandomScorer
from qarank.ranks.schedule import BudgetSchedule
from qarank.ranks.selection import Pool

SHAPES = {"query": (6, 10), "wide": (10, 4), "output": (4, 5)}  # in, out
RANKS = {"query": 3, "wide": 0, "output": 2}
R, STEPS, TINIT, TFINAL, DELTA_T, BATCH = 4, 14, 2, 4, 3, 8
METRICS = {SVDLinear: "iptAB,iptE,sumAB,sumE", LoRALinear: "iptAB,sumAB"}


@dataclass(frozen=True)
class Case:
    """A method, what it allocates, and in which unit."""

    method: str
    kind: type[AdaptedLinear]
    unit: str = "triplets"
    min_rank: int = 0
    max_rank: int | None = None
    finalize: bool = True

    def __str__(self) -> str:
        limits = "-limited" if self.max_rank else ""
        return f"{self.method}-{self.kind.__name__}-{self.unit}{limits}-{self.finalize}"

    def pool(self) -> Pool:
        costs = tuple(i + o if self.unit == "parameters" else 1 for i, o in SHAPES.values())
        return Pool((R,) * len(SHAPES), costs, min_rank=self.min_rank, max_rank=self.max_rank)

    def schedule(self) -> BudgetSchedule:
        whole = self.pool().whole_cost
        phases = {"total_steps": STEPS, "tinit": TINIT, "tfinal": TFINAL, "delta_t": DELTA_T}
        return BudgetSchedule(whole, 5 * whole // 12, **phases, finalize=self.finalize)


KINDS: list[type[AdaptedLinear]] = [SVDLinear, LoRALinear]
METHODS = ("adalora", "norm", "random")
UNITS = ("triplets", "parameters")
BY_ROUNDS = [Case(m, kind, unit) for m in METHODS for kind in KINDS for unit in UNITS]
GIVEN = [Case("file", kind) for kind in KINDS]
MORE = [
    *(Case(m, SVDLinear, unit, min_rank=1, max_rank=3) for m in METHODS for unit in UNITS),
    *(Case(m, kind, finalize=False) for m in METHODS for kind in KINDS),
]
ALL = pytest.mark.parametrize("case", [*BY_ROUNDS, *GIVEN], ids=str)


class Training:
    """A chain of adapted linears, an optimizer and an allocator; a process of one or more."""

    def __init__(self, case: Case, processes: Processes = ALONE) -> None:
        self.case, self.processes, self.rounds = case, processes, list[AllocationRound]()
        self.layers = {
            path: case.kind(nn.Linear(*shape), r=R, alpha=8, dropout=0.0)
            for path, shape in SHAPES.items()
        }
        self.chain = nn.Sequential(*self.layers.values())
        draw = torch.Generator().manual_seed(0)  # not the one that other threads draw from
        for p in self.chain.parameters():
            if p.any():  # what starts at zero stays there
                nn.init.normal_(p, std=0.3, generator=draw)
        self.parameters = [p for p in self.chain.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=0.05)
        self.allocator = self._build_allocator()

    def step(self, global_step: int, *, skipped: bool = False) -> None:
        """As the training loop does it; a skipped step's gradients are not finite."""
        generator = torch.Generator().manual_seed(global_step)
        x, y = (torch.randn(BATCH, n, generator=generator) for n in (6, 5))
        world = self.processes.world
        own = slice(world.global_rank, None, world.world_size)
        self.optimizer.zero_grad()
        loss = (self.chain.train()(x[own]) - y[own]).square().sum() / BATCH
        torch.autograd.backward(loss)
        grads = [p.grad for p in self.parameters if p.grad is not None]
        self.processes.sum_tensors(grads)
        if skipped:
            for grad in grads:
                grad.fill_(float("nan"))
        else:
            self.optimizer.step()
        self.allocator.after_optimizer_step(global_step, skipped=skipped)

    def run(self, first: int = 1, last: int = STEPS, skipping: tuple[int, ...] = ()) -> "Training":
        if first == 1:
            self.allocator.before_training()
        for global_step in range(first, last + 1):
            self.step(global_step, skipped=global_step in skipping)
        return self

    def ranks(self) -> list[int]:
        return [layer.rank for layer in self.layers.values()]

    def state(self) -> dict[str, Tensor]:
        """Every number later steps depend on, copied."""
        state = {f"model.{name}": t for name, t in self.chain.state_dict().items()}
        state |= {f"allocator.{name}": t for name, t in self.allocator.state_dict().items()}
        return {name: tensor.clone() for name, tensor in state.items()}

    def take_over(self, other: "Training") -> None:
        """Weights, optimizer and allocator, as from a checkpoint."""
        self.chain.load_state_dict(other.chain.state_dict())
        self.optimizer.load_state_dict(copy.deepcopy(other.optimizer.state_dict()))
        state = other.allocator.state_dict()
        self.allocator.load_state_dict({name: tensor.clone() for name, tensor in state.items()})

    def _on_round(self, decided: AllocationRound) -> None:
        self.processes.require_agreement(decided.mask_hash, what=f"step {decided.global_step}")
        self.rounds.append(decided)

    def _build_allocator(self) -> Allocator:
        if self.case.method == "file":
            return PatternAllocator(self.layers, RANKS, budget=5, on_round=self._on_round)
        return RankAllocator(
            self.layers,
            schedule=self.case.schedule(),
            scorer=self._build_scorer(),
            pool=self.case.pool(),
            on_round=self._on_round,
        )

    def _build_scorer(self) -> TripletScorer:
        if self.case.method == "norm":
            return NormScorer(self.layers)
        if self.case.method == "random":
            return RandomScorer(self.case.pool().triplet_costs(), seed=0)
        metric = TripletMetric.from_tokens(METRICS[self.case.kind])
        return ImportanceTracker(self.layers, metric=metric, beta1=0.85, beta2=0.85)


def differences(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    assert one.keys() == other.keys()
    return [name for name, tensor in one.items() if not torch.equal(tensor, other[name])]


@pytest.mark.parametrize("case", [*BY_ROUNDS, *MORE], ids=str)
@pytest.mark.parametrize("skipping", [(), (1, 6, 7, 10)], ids=["whole", "skipping"])
def test_every_round_uses_up_its_budget_and_no_more(case: Case, skipping: tuple[int, ...]) -> None:
    training, schedule, pool = Training(case), case.schedule(), case.pool()
    for global_step in range(1, STEPS + 1):
        training.step(global_step, skipped=global_step in skipping)
        if schedule.is_round(global_step):
            told = training.rounds[-1]
            assert (told.global_step, told.budget) == (global_step, schedule.budget_at(global_step))
            assert list(told.ranks.values()) == training.ranks()
            assert pool.is_full(training.ranks(), told.budget)
            if case.unit == "triplets":
                assert sum(training.ranks()) == min(told.budget, pool.largest_cost)
        assert not training.rounds or min(training.ranks()) >= case.min_rank
        assert not training.rounds or max(training.ranks()) <= (case.max_rank or R)
    assert [told.global_step for told in training.rounds] == schedule.rounds()
    assert len(set(training.ranks())) > 1 or case.min_rank, "or nothing was allocated"


@pytest.mark.parametrize("case", GIVEN, ids=str)
def test_a_given_pattern_is_kept_at_every_step(case: Case) -> None:
    training = Training(case)
    training.allocator.before_training()
    for global_step in range(1, STEPS + 1):
        training.step(global_step, skipped=global_step == 3)
        assert training.ranks() == list(RANKS.values())
        cut = copy.deepcopy(training)
        for layer in cut.layers.values():
            layer.cut_masked()
        assert differences(cut.state(), training.state()) == []
    assert len(training.rounds) == training.allocator.num_rounds == 1


@ALL
def test_a_fresh_adapter_is_still_the_base_bit_for_bit(case: Case) -> None:
    training = Training(case)
    training.allocator.before_training()
    x = torch.randn(3, 6)
    expected = nn.Sequential(*(layer.base_layer for layer in training.layers.values()))(x)
    assert torch.equal(training.chain.train()(x), expected)
    assert torch.equal(training.chain.eval()(x), expected)


@ALL
def test_no_number_is_ever_nan_though_skipped_gradients_are(case: Case) -> None:
    training = Training(case).run(skipping=(1, 4, 6, 10, 14))
    assert all(bool(torch.isfinite(tensor).all()) for tensor in training.state().values())
    assert sum(training.ranks()) > 0


@ALL
@pytest.mark.parametrize("step", [2, 4, 8, 12])
def test_a_skipped_step_without_a_round_changes_nothing(case: Case, step: int) -> None:
    training = Training(case).run(last=step - 1)
    before, num_rounds = training.state(), len(training.rounds)
    training.step(step, skipped=True)
    assert differences(training.state(), before) == []
    assert len(training.rounds) == num_rounds


@ALL
@pytest.mark.parametrize("stop", [1, 3, 5, 10, 13])
def test_stopped_and_resumed_is_never_stopped_bit_for_bit(case: Case, stop: int) -> None:
    whole, first, second = Training(case).run(), Training(case).run(last=stop), Training(case)
    second.take_over(first)
    second.run(first=stop + 1)
    assert first.rounds + second.rounds == whole.rounds
    assert differences(second.state(), whole.state()) == []


@ALL
def test_two_processes_decide_alike_and_as_one_with_the_whole_batch(
    case: Case, run_together: Callable[..., list[Any]]
) -> None:
    one, other = run_together(lambda processes: Training(case, processes).run(), 2)
    alone = Training(case).run()
    assert differences(one.state(), other.state()) == []
    assert one.rounds == other.rounds
    assert [told.mask_hash for told in one.rounds] == [told.mask_hash for told in alone.rounds]
    for name, tensor in alone.state().items():
        torch.testing.assert_close(one.state()[name], tensor, rtol=1e-4, atol=1e-5)


@ALL
@pytest.mark.parametrize("last", [4, 7, STEPS])
def test_a_masked_triplet_has_no_effect_in_eval_mode(case: Case, last: int) -> None:
    training = Training(case).run(last=last)
    assert sum(training.ranks()) < R * len(SHAPES)
    x = torch.randn(3, 6)
    seen = training.chain.eval()(x)
    for layer in training.layers.values():
        layer.cut_masked()
    assert torch.equal(training.chain.eval()(x), seen)
    assert torch.equal(training.chain.train()(x), seen)
