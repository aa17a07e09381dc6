import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qarank.config.schema import Recipe
from qarank.engine.hooks import StepReport
from qarank.engine.loop import Trainer
from qarank.engine.rehearsal import Rehearsed
from qarank.errors import NonFiniteError
from qarank.workflows.build import Setting, build_allocator, build_model, build_trainer
from qarank.workflows.disk_need import find_disk_need
from qarank.workflows.prepare import Prepared, prepare_run
from qarank.workflows.rehearsal import (
    count_evaluation_tokens,
    count_evaluations,
    count_padded,
    estimate_prepared,
    estimate_run,
    find_peak_bytes,
    mean_step_tokens,
    scale_seconds,
)

TRAIN = {"max_steps": 12, "batch_size": 8, "learning_rate": 0.05, "precision": "fp32"}


@pytest.fixture
def prepared(tiny_recipe: Callable[..., Recipe]) -> Prepared:
    return prepare_run(tiny_recipe(train=TRAIN | {"micro_batch_size": 3}))


def build(prepared: Prepared) -> Trainer:
    """A run's trainer, allocator and all, in fp32 on the CPU."""
    setting = Setting(torch.device("cpu"), "fp32")
    model, layers = build_model(prepared, setting)
    allocator = build_allocator(prepared, layers)
    return build_trainer(prepared, model, layers, setting, allocator=allocator)


def fit(prepared: Prepared, *, rehearsed: bool) -> tuple[list[float], dict[str, torch.Tensor]]:
    trainer, reports = build(prepared), list[StepReport]()
    torch.manual_seed(5)
    if rehearsed:
        estimate_run(trainer, prepared, world_size=1)
    trainer.fit([reports.append])
    return [report.loss for report in reports], dict(trainer.model.state_dict())


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_run_after_an_estimate_is_bit_for_bit_the_run_without(
    checkpointing: bool, tiny_recipe: Callable[..., Recipe]
) -> None:
    """With dropout, accumulation, the penalty and rounds that prune."""
    train = TRAIN | {"micro_batch_size": 3, "gradient_checkpointing": checkpointing}
    prepared = prepare_run(tiny_recipe(train=train))
    (losses, weights), (again, weights_again) = (
        fit(prepared, rehearsed=rehearsed) for rehearsed in (False, True)
    )
    assert again == losses
    torch.testing.assert_close(weights_again, weights, atol=0, rtol=0)


def test_an_estimate_adds_up_and_is_json(prepared: Prepared) -> None:
    estimate = estimate_run(build(prepared), prepared, world_size=1)
    assert estimate.step_s > 0 and estimate.evaluation_s > 0 and estimate.num_evaluations == 1
    assert estimate.train_s == pytest.approx(12 * estimate.step_s)
    assert estimate.total_s == estimate.train_s + estimate.evaluation_s
    need = find_disk_need(prepared)
    assert (estimate.checkpoint_bytes, estimate.disk_bytes) == (
        need.checkpoint_bytes,
        need.disk_bytes,
    )
    told = estimate.to_dict()
    assert json.loads(json.dumps(told)) == told


def test_a_resumed_run_is_told_what_is_left(tiny_recipe: Callable[..., Recipe]) -> None:
    prepared = prepare_run(tiny_recipe(train=TRAIN, eval={"every": 4}))
    estimate = estimate_run(build(prepared), prepared, world_size=1, first_step=9)
    assert estimate.train_s == pytest.approx(4 * estimate.step_s)
    assert estimate.num_evaluations == 1
    assert [count_evaluations(prepared, first_step=step) for step in (1, 4, 5, 12)] == [3, 3, 2, 1]


def test_the_estimate_is_of_the_size_of_the_run(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the processor's clock: a busy machine's other work does not count."""
    monkeypatch.setattr("time.perf_counter", time.process_time)
    trainer, reports = build(prepared), list[StepReport]()
    estimate = estimate_run(trainer, prepared, world_size=1)
    trainer.fit([reports.append])
    taken = sum(report.seconds for report in reports)
    assert taken / 4 < estimate.train_s < taken * 2


def test_a_model_that_is_not_finite_ends_before_the_first_step(prepared: Prepared) -> None:
    trainer = build(prepared)
    with torch.no_grad():
        trainer.model.get_parameter("bert.embeddings.word_embeddings.weight").fill_(math.nan)
    with pytest.raises(NonFiniteError, match="the first batch, before any step: the loss is nan"):
        estimate_run(trainer, prepared, world_size=1)


def test_without_evaluation_data_evaluations_take_no_time(
    prepared: Prepared,
) -> None:
    estimate = estimate_prepared(replace(prepared, validation=None))
    assert (estimate.num_evaluations, estimate.evaluation_s) == (0, 0.0)
    assert not Path(prepared.recipe.runs_dir).exists()


def test_the_first_step_adds_the_averages_and_other_processes_a_copy(prepared: Prepared) -> None:
    trainer = build(prepared)
    trained = 4 * prepared.plan.trained_parameters
    before = [find_peak_bytes(trainer, world_size=size) for size in (1, 2)]
    assert before[1] - before[0] == trained
    trainer.train_step(1)
    after = [find_peak_bytes(trainer, world_size=size) for size in (1, 2)]
    assert after[1] - after[0] == trained
    assert not trainer.optimizer.state.get(torch.nn.Parameter())  # asking makes no entry
    assert after[0] >= before[0] - 2 * trained
    assert before[0] > 50 * 1024**2, "the whole process, in bytes"


@pytest.mark.parametrize("micro_batch_size", [1, 3, 8])
def test_padded_tokens_are_those_of_the_tensors(prepared: Prepared, micro_batch_size: int) -> None:
    data = build(prepared).data
    for step in (1, 2, 9):
        rows = data.rows_at(step)
        tensors = [
            data.load(rows[start : start + micro_batch_size])["input_ids"]
            for start in range(0, len(rows), micro_batch_size)
        ]
        counted = count_padded(prepared.train.table.lengths[rows], micro_batch_size)
        assert counted == sum(tensor.numel() for tensor in tensors)


def test_an_evaluations_tokens_are_those_of_its_batches(prepared: Prepared) -> None:
    assert prepared.validation is not None
    lengths = prepared.validation.table.lengths  # fewer than a batch
    assert count_evaluation_tokens(prepared) == len(lengths) * (-(-int(lengths.max()) // 8) * 8)
    assert count_evaluation_tokens(replace(prepared, validation=None)) == 0


LENGTHS = st.lists(st.integers(1, 400), min_size=1, max_size=40).map(np.array)


@given(LENGTHS, st.integers(1, 8), st.integers(1, 6), st.integers(1, 4))
def test_more_processes_never_make_a_step_dearer(
    lengths: np.ndarray, size: int, world_size: int, more: int
) -> None:
    batches = [np.arange(len(lengths))[i : i + size] for i in range(0, len(lengths), size)]
    few, many = (
        mean_step_tokens(lengths, batches, processes, micro_batch_size=size)
        for processes in (world_size, world_size + more)
    )
    rounding = 8 * size  # to whole multiples of 8 tokens
    assert 0 < many <= few + rounding
    assert few <= lengths.max() * size + rounding


@given(
    st.lists(st.tuples(st.floats(1e-3, 1e3), st.integers(1, 10_000)), min_size=1, max_size=3),
    st.integers(0, 10_000),
)
def test_time_grows_with_tokens_at_the_fastest_measured_speed(
    measured: list[tuple[float, int]], num_tokens: int
) -> None:
    batches = [Rehearsed(1, tokens, seconds, 0.0) for seconds, tokens in measured]
    fastest = min(seconds / tokens for seconds, tokens in measured)
    assert scale_seconds(batches, num_tokens) == pytest.approx(fastest * num_tokens)


def test_every_process_hears_of_the_slowest_and_the_largest(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build(prepared)

    def gather(measure: Callable[[], Any]) -> list[Any]:
        costs = measure()
        return [costs, replace(costs, step_s=50.0), replace(costs, evaluation_s=70.0, peak_bytes=9)]

    monkeypatch.setattr(trainer.processes, "gather_outcomes", gather)
    estimate = estimate_run(trainer, prepared, world_size=3)
    assert (estimate.step_s, estimate.evaluation_s) == (50.0, 70.0)
    assert estimate.peak_bytes > 9
