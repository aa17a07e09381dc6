"""Runs a model over rows without gradients and keeps only what a reduction leaves."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from qarank.engine.hooks import Batch
from qarank.engine.memory import telling_full_memory
from qarank.engine.nonfinite import list_examples
from qarank.errors import NonFiniteError

FULL_MEMORY = "out of memory in an evaluation; lower eval.batch_size"

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
    names: Callable[[np.ndarray], list[str]] | None = None,
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
        names: what a message calls each row; None: nothing.

    Returns:
        One reduction a batch, in the order of `batches`.

    Raises:
        NonFiniteError: `reduce` found it; the batch's rows are named.
        RunError: the device's memory is full.
    """
    was_training = model.training
    model.eval()
    kept: list[Reduced] = []
    try:
        with torch.inference_mode(), telling_full_memory(FULL_MEMORY):
            for rows in batches:
                batch = {name: tensor.to(device) for name, tensor in load(rows).items()}
                with autocast(), _naming(rows, names):
                    kept.append(reduce(model, batch))
                on_batch(len(rows))
    finally:
        model.train(was_training)
    return kept


@contextmanager
def _naming(rows: np.ndarray, names: Callable[[np.ndarray], list[str]] | None) -> Iterator[None]:
    """Say of which rows logits are not finite."""
    try:
        yield
    except NonFiniteError as error:
        if names is None:
            raise
        raise NonFiniteError(f"{error}; {list_examples(names(rows))}") from error
