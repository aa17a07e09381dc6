"""Says which rows a loss that is NaN or infinite came from."""

from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from qarank.engine.distributed import Processes
from qarank.engine.hooks import StepData
from qarank.errors import NonFiniteError

MAX_NAMES = 32  # in a message


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
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    raise NonFiniteError(
        f"step {global_step}: the loss is {loss}; training stopped; examples of its batch: "
        f"{', '.join(names[:MAX_NAMES])}{more}"
    )
