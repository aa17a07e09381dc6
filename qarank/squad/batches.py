"""Which features make a batch, and a batch as padded tensors.

Dims: num_features; batch: features of one batch; seq: its padded length.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qarank.squad.feature_table import FeatureTable
from qarank.squad.ragged import ragged_indices

MEGA_BATCH = 50  # batches sorted by length together: little padding, and still much chance

Ints = NDArray[np.int64]


def epoch_batches(
    lengths: Ints, *, batch_size: int, seed: int, epoch: int, group_by_length: bool
) -> list[Ints]:
    """The batches of one epoch; every feature is in exactly one.

    Args:
        lengths: (num_features,) tokens of each feature.
        batch_size: features a batch, over all processes.
        seed: of the run, 0 or more.
        epoch: 0, 1, ...: each has its own order.
        group_by_length: put features of about one length together, which saves padding.

    Returns:
        Feature numbers, (batch_size,) each; what is left over makes a smaller last batch.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    if not group_by_length:
        return _cut(order, batch_size)
    order = np.concatenate(
        [
            part[np.argsort(lengths[part], kind="stable")]
            for part in _cut(order, MEGA_BATCH * batch_size)
        ]
        or [order]
    )
    batches = _cut(order, batch_size)
    num_full = len(lengths) // batch_size
    shuffled = [batches[place] for place in generator.permutation(num_full)]
    return shuffled + batches[num_full:]


def evaluation_batches(lengths: Ints, *, batch_size: int) -> list[Ints]:
    """Batches by falling length, so that memory runs out at once or never.

    Args:
        lengths: (num_features,) tokens of each feature.
        batch_size: features a batch.
    """
    return _cut(np.argsort(-lengths, kind="stable"), batch_size)


def _cut(order: Ints, size: int) -> list[Ints]:
    return [order[begin : begin + size] for begin in range(0, len(order), size)]


def collate(
    table: FeatureTable,
    indices: Ints,
    *,
    pad_token_id: int,
    pad_to_multiple_of: int = 8,
    padding_side: str = "right",
    labels: bool,
) -> dict[str, Tensor]:
    """Pad the features of a batch to its longest.

    Args:
        table: the features.
        indices: (batch,) feature numbers.
        pad_token_id: stands in input_ids where there is no token.
        pad_to_multiple_of: seq is rounded up to it.
        padding_side: "right" or "left"; on the left, label positions move along.
        labels: whether to add start_positions and end_positions.

    Returns:
        int64 tensors: input_ids, attention_mask and, if the model takes them, token_type_ids,
        (batch, seq); start_positions and end_positions (batch,).
    """
    lengths = table.lengths[indices]
    is_token = _token_mask(lengths, pad_to_multiple_of, padding_side)  # (batch, seq)
    flat = ragged_indices(table.row_offsets[indices], lengths)
    columns = {
        "input_ids": _spread(table.input_ids[flat], is_token, fill=pad_token_id),
        "attention_mask": is_token.astype(np.int64),
    }
    if table.token_type_ids is not None:
        columns["token_type_ids"] = _spread(table.token_type_ids[flat], is_token, fill=0)
    if labels:
        shift = _shift(lengths, is_token, padding_side)
        columns["start_positions"] = table.start_positions[indices] + shift
        columns["end_positions"] = table.end_positions[indices] + shift
    return {name: torch.from_numpy(column) for name, column in columns.items()}


def collate_span_mask(
    table: FeatureTable,
    indices: Ints,
    *,
    pad_to_multiple_of: int = 8,
    padding_side: str = "right",
) -> tuple[Tensor, Tensor]:
    """Where answers may lie in the batch that collate makes of the same arguments.

    Returns:
        is_context (batch, seq) bool, False for white space too, and cls_position (batch,) int64.
    """
    lengths = table.lengths[indices]
    is_token = _token_mask(lengths, pad_to_multiple_of, padding_side)
    flat = ragged_indices(table.row_offsets[indices], lengths)
    is_context = np.zeros(is_token.shape, dtype=np.bool_)
    # A token of white space alone has no characters; an answer may hold it, but not at its ends.
    is_context[is_token] = table.offset_ends[flat] > table.offset_starts[flat]
    cls_position = table.cls_position[indices] + _shift(lengths, is_token, padding_side)
    return torch.from_numpy(is_context), torch.from_numpy(cls_position)


def _token_mask(lengths: Ints, pad_to_multiple_of: int, padding_side: str) -> NDArray[np.bool_]:
    """(batch, seq): where a token stands and not padding."""
    seq = -(-int(lengths.max()) // pad_to_multiple_of) * pad_to_multiple_of
    place = np.arange(seq)
    if padding_side == "left":
        return place >= seq - lengths[:, None]
    return place < lengths[:, None]


def _spread(values: NDArray[np.integer], is_token: NDArray[np.bool_], *, fill: int) -> Ints:
    """Flat tokens laid into rows: (batch, seq) int64."""
    rows = np.full(is_token.shape, fill, dtype=np.int64)
    rows[is_token] = values  # row by row, as the flat tokens are
    return rows


def _shift(lengths: Ints, is_token: NDArray[np.bool_], padding_side: str) -> Ints:
    """(batch,) padding before each row's first token."""
    return is_token.shape[1] - lengths if padding_side == "left" else np.zeros_like(lengths)
