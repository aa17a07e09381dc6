"""A model reads features batch by batch; of each batch's logits only what is asked for is kept.

Dims: batch: features of one batch; seq: its padded length.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from qarank.engine.predict import run_inference
from qarank.squad.batches import collate, collate_span_mask
from qarank.squad.feature_table import FeatureTable

SPAN_INPUTS = ("is_context", "cls_position")  # ours; the model never sees them
PAD_TO = 8  # tokens; a batch is as long as its longest feature, rounded up to this

Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Reader:
    """A model that answers, with all it takes to feed it.

    Attributes:
        model: on `device`.
        device: where it is.
        pad_token_id: the tokenizer's.
        padding_side: the tokenizer's, "right" or "left".
        autocast: makes the context of a forward pass.
    """

    model: nn.Module
    device: torch.device
    pad_token_id: int
    padding_side: str
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext


def read_batches(
    reader: Reader,
    table: FeatureTable,
    batches: Sequence[np.ndarray],
    *,
    keep: Callable[[Tensor, Tensor, Mapping[str, Tensor]], Kept],
    pad_to: int = PAD_TO,
    on_batch: Callable[[int], None] = lambda _: None,
    names: Callable[[np.ndarray], list[str]] | None = None,
) -> list[Kept]:
    """What `keep` leaves of each batch.

    Args:
        reader: the model.
        table: the features.
        batches: feature numbers, one array a batch.
        keep: (start logits, end logits, batch) -> what is kept. The logits are (batch, seq) on the
            device; the batch has the model's inputs, is_context (batch, seq) and cls_position
            (batch,).
        pad_to: a batch's length is a multiple of it.
        on_batch: told the number of features done.
        names: what a message calls each feature; None: nothing.
    """
    side = reader.padding_side

    def load(rows: np.ndarray) -> dict[str, Tensor]:
        batch = collate(
            table,
            rows,
            pad_token_id=reader.pad_token_id,
            pad_to_multiple_of=pad_to,
            padding_side=side,
            labels=False,
        )
        spans = collate_span_mask(table, rows, pad_to_multiple_of=pad_to, padding_side=side)
        return batch | dict(zip(SPAN_INPUTS, spans, strict=True))

    def reduce(model: nn.Module, batch: Mapping[str, Tensor]) -> Kept:
        output = model(**{name: t for name, t in batch.items() if name not in SPAN_INPUTS})
        return keep(output.start_logits, output.end_logits, batch)

    return run_inference(
        reader.model,
        batches,
        load=load,
        reduce=reduce,
        device=reader.device,
        autocast=reader.autocast,
        on_batch=on_batch,
        names=names,
    )


def count_left_padding(attention_mask: Tensor, padding_side: str) -> Tensor:
    """(batch,) int64 padding before each feature's first token."""
    if padding_side == "left":
        return (attention_mask == 0).sum(dim=1)
    return attention_mask.new_zeros(len(attention_mask))
