"""The highest start logits and the highest end logits of a feature, each for itself.

All that run_qa looks at; see `compat_run_qa`. Picked batch by batch, so that an evaluation does not
hold every logit.

Dims: n: features; batch: features of one batch; seq: its padded length; k: logits kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from qarank.errors import NonFiniteError

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TopLogits:
    """The highest logits of each feature, highest first.

    Attributes:
        start: (n, k) int64 positions from the feature's first token; those of padding lie outside.
        end: (n, k) int64, likewise.
        start_logit: (n, k) float32, at start.
        end_logit: (n, k) float32, at end.
        null_logits: (n, 2) float32, start and end of the padded row's first token.
    """

    start: Ints
    end: Ints
    start_logit: Floats
    end_logit: Floats
    null_logits: Floats


def keep_top_logits(
    start_logits: Floats, end_logits: Floats, shift: Ints, *, n_best_size: int
) -> TopLogits:
    """The k = min(n_best_size, seq) highest logits of each row.

    Args:
        start_logits: (batch, seq) float32.
        end_logits: (batch, seq) float32.
        shift: (batch,) padding before each row's first token.
        n_best_size: 1 or more.

    Raises:
        NonFiniteError: a logit is NaN or infinite, padding's too, since it may be picked.
    """
    num_bad = int((~(np.isfinite(start_logits) & np.isfinite(end_logits))).any(axis=1).sum())
    if num_bad:
        raise NonFiniteError(
            f"logits are NaN or infinite in {num_bad} of {len(shift)} features of the batch; "
            "only finite logits can be decoded"
        )
    start, end = (_highest(logits, n_best_size) for logits in (start_logits, end_logits))
    return TopLogits(
        start=start - shift[:, None],
        end=end - shift[:, None],
        start_logit=np.take_along_axis(start_logits, start, axis=1),
        end_logit=np.take_along_axis(end_logits, end, axis=1),
        null_logits=np.stack([start_logits[:, 0], end_logits[:, 0]], axis=1),
    )


def _highest(logits: Floats, count: int) -> Ints:
    # Not kind="stable": ties stand as in run_qa only if the very same sort is asked.
    return np.argsort(logits, axis=1)[:, : -count - 1 : -1]


def join_top_logits(parts: Sequence[TopLogits], order: Ints) -> TopLogits:
    """The features of all parts, feature i of the joined rows put at place order[i]."""
    back = np.argsort(order)
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])[back]
        for field in fields(TopLogits)
    }
    return TopLogits(**columns)
