"""Training features by optimizer step: what the training loop draws its batches from."""

from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from qarank.squad.batches import collate, epoch_batches
from qarank.squad.feature_table import FeatureTable


class TrainBatches:
    """The batches of a run; which features a step gets follows from the step's number alone.

    Args:
        table: the features.
        example_ids: by example number, for messages.
        batch_size: features a step; an epoch's last, smaller batch is kept.
        seed: of the order.
        group_by_length: put features of about one length together.
        pad_token_id: the tokenizer's.
        padding_side: "right" or "left".
    """

    def __init__(
        self,
        table: FeatureTable,
        *,
        example_ids: Sequence[str],
        batch_size: int,
        seed: int,
        group_by_length: bool,
        pad_token_id: int,
        padding_side: str,
    ) -> None:
        self.table, self.example_ids = table, example_ids
        self.pad_token_id, self.padding_side = pad_token_id, padding_side
        self.steps_per_epoch = -(-len(table) // batch_size)
        batches_of_epoch = partial(
            epoch_batches,
            table.lengths,
            batch_size=batch_size,
            seed=seed,
            group_by_length=group_by_length,
        )
        self._batches_of_epoch = lru_cache(maxsize=1)(batches_of_epoch)

    def rows_at(self, global_step: int) -> NDArray[np.int64]:
        """(batch,) feature numbers of a step; the first step is 1."""
        epoch, place = divmod(global_step - 1, self.steps_per_epoch)
        return self._batches_of_epoch(epoch=epoch)[place]

    def lengths(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(batch,) tokens of each feature."""
        return self.table.lengths[rows]

    def names(self, rows: NDArray[np.int64]) -> list[str]:
        """The ids of the features' examples."""
        return [self.example_ids[number] for number in self.table.example_index[rows]]

    def load(self, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """Those features as `collate` pads them, with labels."""
        return collate(
            self.table,
            rows,
            pad_token_id=self.pad_token_id,
            padding_side=self.padding_side,
            labels=True,
        )
