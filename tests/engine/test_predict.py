from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qarank.engine.hooks import Batch
from qarank.engine.predict import run_inference

CPU = torch.device("cpu")
BATCHES = [np.array([4, 2]), np.array([0]), np.array([3, 1, 5])]


def load(rows: np.ndarray) -> Batch:
    return {"rows": torch.from_numpy(rows)}


def keep_rows(model: nn.Module, batch: Batch) -> list[int]:
    return batch["rows"].tolist()


def test_reductions_come_one_a_batch_in_the_order_given() -> None:
    kept = run_inference(nn.Linear(1, 1), BATCHES, load=load, reduce=keep_rows, device=CPU)
    assert kept == [[4, 2], [0], [3, 1, 5]]


def test_no_batches_leave_an_empty_list() -> None:
    assert run_inference(nn.Linear(1, 1), [], load=load, reduce=keep_rows, device=CPU) == []


def test_progress_is_told_after_each_batch_by_its_rows() -> None:
    told: list[int] = []
    run_inference(
        nn.Linear(1, 1), BATCHES, load=load, reduce=keep_rows, device=CPU, on_batch=told.append
    )
    assert told == [2, 1, 3]


def test_the_model_is_in_eval_mode_and_nothing_tracks_gradients() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.9))

    def reduce(model: nn.Module, batch: Batch) -> Tensor:
        assert not model.training and torch.is_inference_mode_enabled()
        return model(torch.ones(1, 2))

    first, *others = run_inference(model, BATCHES, load=load, reduce=reduce, device=CPU)
    assert not first.requires_grad
    assert all(torch.equal(first, other) for other in others)


def fail_in_reduce(model: nn.Module, batch: Batch) -> None:
    raise RuntimeError("out of memory")


def fail_in_load(rows: np.ndarray) -> Batch:
    raise RuntimeError("out of memory")


@pytest.mark.parametrize("was_training", [True, False])
@pytest.mark.parametrize(
    ("load_rows", "reduce"),
    [(load, keep_rows), (load, fail_in_reduce), (fail_in_load, keep_rows)],
)
def test_the_models_own_mode_comes_back_even_after_an_error(
    was_training: bool,
    load_rows: Callable[[np.ndarray], Batch],
    reduce: Callable[[nn.Module, Batch], object],
) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).train(was_training)
    try:
        run_inference(model, BATCHES, load=load_rows, reduce=reduce, device=CPU)
    except RuntimeError as error:
        assert str(error) == "out of memory"
    assert model.training is was_training
    assert all(part.training is was_training for part in model)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_autocast_is_around_each_reduction() -> None:
    def reduce(model: nn.Module, batch: Batch) -> torch.dtype:
        return model(torch.ones(1, 2)).dtype

    kept = run_inference(
        nn.Linear(2, 2),
        BATCHES,
        load=load,
        reduce=reduce,
        device=CPU,
        autocast=lambda: torch.autocast("cpu", torch.bfloat16),
    )
    assert kept == [torch.bfloat16] * 3
