"""As tests/ranks/test_faults_of_adalora.py: faults of what is scored, and after which steps."""

import numpy as np
import pytest
import torch
from torch import nn

from qarank.adapters.svd import SVDLinear
from qarank.engine.hooks import Batch
from qarank.engine.loop import LoopSettings, Trainer
from qarank.engine.optim import build_optimizer
from qarank.ranks.allocator import RankAllocator
from qarank.ranks.importance import ImportanceTracker
from qarank.ranks.metric import TripletMetric
from qarank.ranks.norm import NormScorer
from qarank.ranks.schedule import BudgetSchedule


def build_chain() -> dict[str, SVDLinear]:
    """Two adapted linears that have learnt something."""
    torch.manual_seed(0)
    layers = {n: SVDLinear(nn.Linear(5, 5), r=3, alpha=6) for n in ("first", "second")}
    for layer in layers.values():
        for p in layer.low_rank_parameters():
            nn.init.normal_(p, std=0.3)
    return layers


class Rows:
    """Four rows, the same at every step."""

    def rows_at(self, global_step: int) -> np.ndarray:
        return np.arange(4)

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        return np.ones_like(rows)

    def names(self, rows: np.ndarray) -> list[str]:
        return [str(row) for row in rows]

    def load(self, rows: np.ndarray) -> Batch:
        return {"x": torch.linspace(-1, 1, 20).view(4, 5)[rows]}


def train_scored(*, loss_scaling: bool) -> ImportanceTracker:
    """Scores of three steps without clipping."""
    layers = build_chain()
    metric = TripletMetric.from_tokens("iptAB,iptE,sumAB,sumE")
    scorer = ImportanceTracker(layers, metric=metric, beta1=0.85, beta2=0.85)
    schedule = BudgetSchedule(6, 3, total_steps=3, tinit=2, tfinal=0, delta_t=5)
    chain = nn.Sequential(*layers.values())
    Trainer(
        chain,
        data=Rows(),
        loss=lambda model, batch: model(batch["x"]).square().sum(),
        optimizer=build_optimizer(
            [p for p in chain.parameters() if p.requires_grad], learning_rate=0, weight_decay=0
        ),
        learning_rate=lambda _: 0.01,
        settings=LoopSettings(3, micro_batch_size=4, max_grad_norm=0.0, loss_scaling=loss_scaling),
        hooks=[RankAllocator(layers, schedule=schedule, scorer=scorer)],
    ).fit()
    return scorer


def test_scores_do_not_know_of_the_losss_scale() -> None:
    scaled, plain = train_scored(loss_scaling=True), train_scored(loss_scaling=False)
    assert scaled.num_updates == 2
    torch.testing.assert_close(scaled.triplet_scores(), plain.triplet_scores())


@pytest.mark.parametrize("scorer", ["sensitivity", "norm"])
def test_a_budget_is_kept_to_after_a_step_of_infinite_gradients(scorer: str) -> None:
    layers = build_chain()
    metric = TripletMetric.from_tokens("iptAB,iptE,sumAB,sumE")
    scorers = {
        "sensitivity": ImportanceTracker(layers, metric=metric, beta1=0.85, beta2=0.85),
        "norm": NormScorer(layers),
    }
    schedule = BudgetSchedule(6, 2, total_steps=4, tinit=1, tfinal=1, delta_t=1)
    allocator = RankAllocator(layers, schedule=schedule, scorer=scorers[scorer])
    for global_step, value in enumerate([1.0, float("inf"), 1.0, 1.0], start=1):
        for layer in layers.values():
            for p in layer.low_rank_parameters():
                p.grad = torch.full_like(p, value)
        allocator.after_optimizer_step(global_step, skipped=value != 1.0)
    assert int(allocator.mask().sum()) == 2
