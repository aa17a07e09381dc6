"""Our decisions against those of the installed PEFT, on the very same weights and gradients.

Allowed for by name:
- the step: PEFT is told ours, 1 after the first, and once the one before (ORIGINALS_STEP), as the
  original's trainer and PEFT's examples do: the same run with its phases a step later;
- the scale: PEFT divides by r + 1e-5 (PEFT_RANK_OFFSET);
- the cut: PEFT drops all at or under a threshold, so a tie cuts too many and a round that has
  nothing to cut is an error there; the runs compared have neither.
"""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from peft import AdaLoraConfig
from peft.tuners.adalora import AdaLoraModel
from torch import Tensor, nn

from qarank.adapters.orthogonality import orthogonality_penalty
from qarank.adapters.svd import SVDLinear
from qarank.ranks.allocator import RankAllocator
from qarank.ranks.importance import ImportanceTracker
from qarank.ranks.metric import TripletMetric
from qarank.ranks.protocol import AllocationRound
from qarank.ranks.schedule import BudgetSchedule

SHAPES = {"alpha": (12, 10), "beta": (10, 16), "gamma": (16, 8), "delta": (8, 12)}  # in, out
R, TARGET_R, ALPHA = 8, 3, 16
STEPS, TINIT, TFINAL = 320, 40, 80
PEFT_RANK_OFFSET = 1e-5  # PEFT scales by alpha / (r + 1e-5)
ORIGINALS_STEP = -1  # what the original tells its allocator, less our step


class Body(nn.Module):
    """Linears in a chain, and the loss PEFT adds its penalty to."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        for name, (in_features, out_features) in SHAPES.items():
            setattr(self, name, nn.Linear(in_features, out_features))

    def forward(self, x: Tensor) -> SimpleNamespace:
        for name in SHAPES:
            x = torch.tanh(getattr(self, name)(x))
        return SimpleNamespace(loss=x.square().mean(), output=x)


def build_peft(delta_t: int) -> AdaLoraModel:
    config = AdaLoraConfig(
        target_modules=list(SHAPES),
        init_r=R,
        target_r=TARGET_R,
        lora_alpha=ALPHA,
        total_step=STEPS,
        tinit=TINIT,
        tfinal=TFINAL,
        deltaT=delta_t,
        beta1=0.85,
        beta2=0.8,
        orth_reg_weight=1.0,
    )
    return AdaLoraModel(Body(), {"default": config}, "default")


def peft_factors(model: AdaLoraModel, name: str) -> list[nn.Parameter]:
    layer = model.model.get_submodule(name)
    return [layer.lora_A["default"], layer.lora_B["default"], layer.lora_E["default"]]


def build_ours(peft: AdaLoraModel) -> dict[str, SVDLinear]:
    """Our adapters with PEFT's weights."""
    layers = {name: SVDLinear(getattr(Body(), name), r=R, alpha=ALPHA) for name in SHAPES}
    for name, layer in layers.items():
        for ours, theirs in zip(layer.low_rank_parameters(), peft_factors(peft, name), strict=True):
            ours.data.copy_(theirs)
    return layers


class SideBySide:
    """Both allocators, fed the same steps; each moves its own weights.

    Args:
        delta_t: steps between two rounds.
        told: the step that PEFT is told, less ours.
    """

    def __init__(self, delta_t: int, told: int = 0) -> None:
        torch.manual_seed(1)
        self.told = told
        self.peft = build_peft(delta_t)
        self.layers = build_ours(self.peft)
        self.rounds: list[AllocationRound] = []
        self.schedule = BudgetSchedule(
            start_budget=R * len(SHAPES),
            target_budget=TARGET_R * len(SHAPES),
            total_steps=STEPS,
            tinit=TINIT - told,
            tfinal=TFINAL + told,
            delta_t=delta_t,
        )
        self.tracker = ImportanceTracker(
            self.layers,
            metric=TripletMetric.from_tokens("iptAB,iptE,sumAB,sumE"),
            beta1=0.85,
            beta2=0.8,
        )
        self.ours = RankAllocator(
            self.layers,
            schedule=self.schedule,
            scorer=self.tracker,
            on_round=self.rounds.append,
        )
        self.optimizers = [
            torch.optim.AdamW(side, lr=0.02) for side in zip(*self.pairs(), strict=True)
        ]

    def pairs(self) -> Iterator[tuple[nn.Parameter, nn.Parameter]]:
        """(ours, PEFT's), parameter by parameter."""
        for name, layer in self.layers.items():
            yield from zip(layer.low_rank_parameters(), peft_factors(self.peft, name), strict=True)

    def step(self, global_step: int) -> None:
        """One gradient for both, an optimizer step each, then both allocators.

        Gradients have drift and noise, so that some triplets matter more and the order changes.
        """
        generator = torch.Generator().manual_seed(global_step // 30)
        noise = torch.Generator().manual_seed(1000 + global_step)
        for ours, theirs in self.pairs():
            grad = torch.randn(ours.shape, generator=generator)
            grad = grad + 0.5 * torch.randn(ours.shape, generator=noise)
            ours.grad, theirs.grad = grad, grad.clone()
        for optimizer in self.optimizers:
            optimizer.step()
        self.ours.after_optimizer_step(global_step, skipped=False)
        self.peft.update_and_allocate(global_step + self.told)

    def peft_kept(self) -> dict[str, list[bool]]:
        pattern = self.peft.peft_config["default"].rank_pattern
        return {name: pattern[f"{name}.lora_E.default"] for name in SHAPES}

    def kept(self) -> dict[str, list[bool]]:
        return {name: layer.rank_mask.tolist() for name, layer in self.layers.items()}


def peft_averages(peft: AdaLoraModel) -> tuple[Tensor, Tensor]:
    """Sensitivity and uncertainty in our order: A, B, E of each matrix."""
    allocator = peft.rankallocator
    names = [f"{name}.lora_{x}.default" for name in SHAPES for x in "ABE"]
    return (
        torch.cat([allocator.exp_avg_ipt[name].flatten() for name in names]),
        torch.cat([allocator.exp_avg_unc[name].flatten() for name in names]),
    )


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, float]]:
    """The scores that PEFT cuts and the threshold it finds, round by round."""
    told: list[tuple[Tensor, float]] = []
    find = torch.kthvalue

    def note(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = find(scores, k=k)
        told.append((scores.clone(), float(found[0])))
        return found

    monkeypatch.setattr(torch, "kthvalue", note)
    return told


@pytest.mark.parametrize(("delta_t", "told"), [(1, 0), (7, 0), (10, 0), (1, ORIGINALS_STEP)])
def test_both_score_cut_and_keep_alike_through_all_phases(
    delta_t: int, told: int, cuts: list[tuple[Tensor, float]]
) -> None:
    both = SideBySide(delta_t, told)
    budgets_seen, patterns_seen = set(), set()
    for global_step in range(1, STEPS + 1):
        both.step(global_step)
        if both.schedule.is_scored(global_step):  # PEFT forgets its averages at the final round
            sensitivity, uncertainty = peft_averages(both.peft)
            torch.testing.assert_close(both.tracker.sensitivity, sensitivity, rtol=1e-5, atol=0)
            torch.testing.assert_close(both.tracker.uncertainty, uncertainty, rtol=1e-4, atol=1e-9)
        if both.rounds and both.rounds[-1].global_step == global_step:
            assert both.kept() == both.peft_kept(), global_step
            scores, threshold = cuts[-1]
            ours = both.tracker.triplet_scores().float()
            torch.testing.assert_close(ours, scores, rtol=1e-4, atol=0)
            assert both.rounds[-1].threshold == pytest.approx(threshold, rel=1e-4)
            budgets_seen.add(both.rounds[-1].budget)
            patterns_seen.add(both.rounds[-1].mask_hash)
        for ours, theirs in both.pairs():
            assert torch.equal(ours, theirs), global_step  # cut alike, also between two rounds
    assert [each.global_step for each in both.rounds] == both.schedule.rounds()
    assert both.rounds[-1].global_step == STEPS - TFINAL - told
    assert len(cuts) == len(both.rounds)
    assert min(budgets_seen) == TARGET_R * len(SHAPES)
    assert len(patterns_seen) > 5
    assert max(len(set(each.ranks.values())) for each in both.rounds) > 2


def test_the_runs_compared_bring_triplets_back() -> None:
    both = SideBySide(delta_t=7)
    for global_step in range(1, STEPS + 1):
        both.step(global_step)
    assert sum(told.revived for told in both.rounds) > 0


@pytest.mark.parametrize("told", [0, ORIGINALS_STEP])
def test_budgets_are_pefts_at_every_step_of_the_schedule(told: int) -> None:
    both = SideBySide(delta_t=7, told=told)
    for global_step in range(1, STEPS + 1):
        budget, _ = both.peft.rankallocator.budget_schedule(global_step + told)
        assert both.schedule.budget_at(global_step) == budget


def test_outputs_are_pefts_but_for_its_rank_offset() -> None:
    both = SideBySide(delta_t=10)
    for global_step in range(1, 60):
        both.step(global_step)
    for name, layer in both.layers.items():
        theirs = both.peft.model.get_submodule(name)
        x = torch.randn(5, layer.in_features)
        update = layer.train()(x) - layer.base_layer(x)
        of_peft = theirs(x) - theirs.base_layer(x)
        torch.testing.assert_close(
            update, of_peft * (R + PEFT_RANK_OFFSET) / R, rtol=1e-4, atol=1e-5
        )


def test_the_penalty_and_its_gradient_are_pefts() -> None:
    both = SideBySide(delta_t=10)
    for global_step in range(1, 30):
        both.step(global_step)
    x = torch.randn(3, SHAPES["alpha"][0])
    ours = orthogonality_penalty(both.layers.values())
    penalty = both.peft(x).loss - both.peft.model(x).loss
    torch.testing.assert_close(ours, penalty)
    for optimizer in both.optimizers:
        optimizer.zero_grad()
    torch.autograd.backward([ours, penalty])
    for mine, theirs in both.pairs():
        if mine.grad is not None:  # E has no part in it
            torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-7)
            assert mine.grad.any()
