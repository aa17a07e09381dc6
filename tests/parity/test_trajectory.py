"""A small BERT trained by qarank's engine and by a stock PEFT AdaLoRA loop: one trajectory.

Same weights, same batches, float32, dropout 0, AdamW, clipping, linear warm-up and decay. Allowed
for by name: PEFT divides the scale by r + 1e-5, so alpha is set a hair higher on our side
(PEFT_RANK_OFFSET); PEFT is told our step, 1 after the first, where its examples count from 0; its
AdaLoraModel is called, since without a task type PeftModel passes it by, and with it the penalty.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import peft
import pytest
import torch
from torch import Tensor, nn
from transformers import get_linear_schedule_with_warmup

from qarank.adapters.inject import inject_adapters, linear_paths
from qarank.adapters.orthogonality import orthogonality_penalty
from qarank.adapters.svd import SVDLinear
from qarank.adapters.targets import WORDS, resolve_targets
from qarank.engine.hooks import Batch, StepReport
from qarank.engine.loop import LoopSettings, Trainer
from qarank.engine.optim import build_optimizer, learning_rate_factor
from qarank.ranks.allocator import RankAllocator
from qarank.ranks.importance import ImportanceTracker
from qarank.ranks.metric import TripletMetric
from qarank.ranks.protocol import AllocationRound
from qarank.ranks.schedule import BudgetSchedule
from qarank.workflows.objective import sum_span_losses

HEAD = "qa_outputs"
SIZES = {"hidden_size": 32, "intermediate_size": 48}
R, TARGET_R, ALPHA, WEIGHT, RATE = 4, 2, 16.0, 0.1, 5e-3
STEPS, TINIT, TFINAL, DELTA_T, WARMUP, BATCH = 90, 15, 30, 5, 5, 8
PEFT_RANK_OFFSET = 1e-5
LOSS_TOLERANCE = 1e-5
CLOSE = {"atol": 1e-5, "rtol": 0.0}


class Rows:
    """64 rows of random tokens, full length; the answer is where a certain token stands."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(3)
        self.ids = torch.randint(5, 40, (64, 14), generator=generator)
        self.starts = torch.randint(4, 12, (64,), generator=generator)
        self.ids[torch.arange(64), self.starts] = 3

    def rows_at(self, global_step: int) -> np.ndarray:
        return np.random.default_rng(global_step).permutation(64)[:BATCH]

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        return np.full(len(rows), 14)

    def names(self, rows: np.ndarray) -> list[str]:
        return [str(row) for row in rows]

    def load(self, rows: np.ndarray) -> Batch:
        return {
            "input_ids": self.ids[rows],
            "attention_mask": torch.ones(len(rows), 14, dtype=torch.int64),
            "start_positions": self.starts[rows],
            "end_positions": self.starts[rows] + 1,
        }


@dataclass
class Trajectory:
    """What a run went through, step by step, and the weights it ended with."""

    losses: list[float]
    kept: list[int]
    factors: dict[str, Tensor]
    head: Tensor


def find_paths(model: nn.Module) -> list[str]:
    return resolve_targets(linear_paths(model, outside=[HEAD]), WORDS, model_type="bert")


def run_peft(base: nn.Module) -> tuple[Trajectory, dict[str, Tensor]]:
    """PEFT's documented loop; the factors it began with come second."""
    config = peft.AdaLoraConfig(
        init_r=R,
        target_r=TARGET_R,
        lora_alpha=ALPHA,
        total_step=STEPS,
        tinit=TINIT,
        tfinal=TFINAL,
        deltaT=DELTA_T,
        orth_reg_weight=WEIGHT,
        target_modules=find_paths(base),
        modules_to_save=[HEAD],
    )
    torch.manual_seed(7)
    model = peft.get_peft_model(base, config)
    started = {name: p.detach().clone() for name, p in peft_factors(model).items()}
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, WARMUP, STEPS)
    rows, losses, kept = Rows(), [], []
    for global_step in range(1, STEPS + 1):
        model.train()
        batch = rows.load(rows.rows_at(global_step))
        with torch.no_grad():  # the loss alone: PEFT's own has the penalty in it
            losses.append(float(model.base_model.model(**batch).loss))
        model.base_model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        model.base_model.update_and_allocate(global_step)
        optimizer.zero_grad()
        kept.append(sum(int((p != 0).sum()) for n, p in peft_factors(model).items() if "E" in n))
    factors = {name: p.detach().clone() for name, p in peft_factors(model).items()}
    head = model.get_submodule(f"base_model.model.{HEAD}").modules_to_save["default"]
    return Trajectory(losses, kept, factors, head.weight.detach()), started


def peft_factors(model: nn.Module) -> dict[str, nn.Parameter]:
    """`<path>.lora_X` -> parameter."""
    return {
        name.removeprefix("base_model.model.").removesuffix(".default"): parameter
        for name, parameter in model.named_parameters()
        if ".lora_" in name
    }


def run_ours(
    model: nn.Module, started: dict[str, Tensor], rounds: list[AllocationRound]
) -> Trajectory:
    """The engine, from the same base and factors."""
    alpha = ALPHA * R / (R + PEFT_RANK_OFFSET)
    layers = inject_adapters(
        model,
        find_paths(model),
        head=[HEAD],
        build=lambda _, linear: SVDLinear(linear, r=R, alpha=alpha),
    )
    for path, layer in layers.items():
        for factor in ("lora_A", "lora_B", "lora_E"):
            layer.get_parameter(factor).data.copy_(started[f"{path}.{factor}"])
    schedule = BudgetSchedule(
        R * len(layers), TARGET_R * len(layers), STEPS, TINIT, TFINAL, DELTA_T
    )
    metric = TripletMetric.from_tokens("iptAB,iptE,sumAB,sumE")
    scorer = ImportanceTracker(layers, metric=metric, beta1=0.85, beta2=0.85)
    trainer = Trainer(
        model,
        data=Rows(),
        loss=sum_span_losses,
        optimizer=build_optimizer(
            [p for p in model.parameters() if p.requires_grad], learning_rate=RATE, weight_decay=0.0
        ),
        learning_rate=lambda step: (
            RATE
            * learning_rate_factor(step, total_steps=STEPS, warmup_steps=WARMUP, schedule="linear")
        ),
        settings=LoopSettings(total_steps=STEPS, micro_batch_size=BATCH, max_grad_norm=1.0),
        penalty=lambda: WEIGHT * orthogonality_penalty(layers.values()),
        hooks=[RankAllocator(layers, schedule=schedule, scorer=scorer, on_round=rounds.append)],
    )
    kept: list[int] = []
    reports: list[StepReport] = []

    def note(report: StepReport) -> None:
        reports.append(report)
        kept.append(sum(int((layer.lora_E != 0).sum()) for layer in layers.values()))

    trainer.fit([note])
    factors = {
        f"{path}.{factor}": layer.get_parameter(factor).detach()
        for path, layer in layers.items()
        for factor in ("lora_A", "lora_B", "lora_E")
    }
    head = model.get_submodule(HEAD).weight.detach()
    return Trajectory([report.loss for report in reports], kept, factors, head)


def test_losses_ranks_and_weights_are_pefts_through_all_phases(
    build_bert: Callable[..., nn.Module],
) -> None:
    rounds: list[AllocationRound] = []
    theirs, started = run_peft(build_bert(**SIZES))
    ours = run_ours(build_bert(**SIZES), started, rounds)
    assert ours.losses == pytest.approx(theirs.losses, abs=LOSS_TOLERANCE)
    assert ours.kept == theirs.kept
    for name, factor in theirs.factors.items():
        torch.testing.assert_close(ours.factors[name], factor, **CLOSE, msg=name)
    torch.testing.assert_close(ours.head, theirs.head, **CLOSE)
    # What makes that worth something: it learnt, it cut unevenly, some triplets came back.
    assert np.mean(ours.losses[-10:]) < 0.5 * np.mean(ours.losses[:10])
    assert [told.global_step for told in rounds][-1] == STEPS - TFINAL
    assert len(set(rounds[-1].ranks.values())) > 1
    assert sum(told.revived for told in rounds) > 0
