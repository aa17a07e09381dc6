"""Runs a model over rows without gradients and keeps only what a reduction leaves."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from qarank.engine.hooks import Batch
from qarank.errors import RunError

Reduced = TypeVar("Reduced")


def run_inference(
    model: nn.Module,
    batches: Iterable[np.ndarray],
    *,
    load: Callable[[np.ndarray], Batch],
    reduce: Callable[[nn.Module, Batch], Reduced],
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
    on_batch: Callable[[int], None] = lambda _: None,
) -> list[Reduced]:
    """Evaluate batch after batch in eval mode; the model's own mode is put back.

    Args:
        model: on `device`.
        batches: row numbers, one array a batch.
        load: rows -> padded tensors on the CPU.
        reduce: (model, batch on the device) -> what is kept of it.
        device: where the model is.
        autocast: makes the context of a forward pass.
        on_batch: told the number of rows done, after each batch.

    Returns:
        One reduction a batch, in the order of `batches`.
    """
    was_training = model.training
    model.eval()
    kept: list[Reduced] = []
    try:
        with torch.inference_mode():
            for rows in batches:
                batch = {name: tensor.to(device) for name, tensor in load(rows).items()}
                with autocast():
                    kept.append(reduce(model, batch))
                on_batch(len(rows))
    except torch.OutOfMemoryError as error:
        raise RunError("out of memory in an evaluation; lower eval.batch_size") from error
    finally:
        model.train(was_training)
    return kept
