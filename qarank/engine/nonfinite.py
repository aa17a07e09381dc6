"""Says which rows a loss, or logits, that are NaN or infinite came from."""

from collections.abc import Iterable, Sequence
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from qarank.engine.distributed import Processes
from qarank.engine.hooks import StepData
from qarank.errors import NonFiniteError

MAX_NAMES = 32  # in a message


def are_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether no entry of any of them is NaN or infinite."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def name_bad_rows(losses: Sequence[tuple[np.ndarray, Tensor]], data: StepData) -> list[str]:
    """The rows of every micro-batch whose loss is not finite.

    Args:
        losses: rows and their summed loss, a scalar, one pair a micro-batch.
        data: names them.
    """
    bad = [rows for rows, loss in losses if not bool(torch.isfinite(loss))]
    return [name for rows in bad for name in data.names(rows)]


def raise_not_finite(
    loss: float, global_step: int, own_names: Sequence[str], processes: Processes
) -> NoReturn:
    """Stop every process with the rows at fault, whichever process had them.

    Raises:
        NonFiniteError: always.
    """
    names = [name for names in processes.gather(list(own_names)) for name in names]
    raise NonFiniteError(
        f"step {global_step}: the loss is {loss}; training stopped; {list_examples(names)}"
    )


def list_examples(names: Sequence[str]) -> str:
    """What a message says of a batch's rows; each example once."""
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - MAX_NAMES} more" if len(distinct) > MAX_NAMES else ""
    return f"examples of its batch: {', '.join(distinct[:MAX_NAMES])}{more}"
