from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from qarank.squad.batches import (
    MEGA_BATCH,
    collate,
    collate_span_mask,
    epoch_batches,
    evaluation_batches,
)
from qarank.squad.feature_table import FeatureTable
from qarank.squad.features import build_features
from qarank.squad.sample import almanac

LENGTH_LISTS = st.lists(st.integers(1, 400), max_size=300).map(
    lambda lengths: np.array(lengths, dtype=np.int64)
)


@given(LENGTH_LISTS, st.integers(1, 20), st.integers(0, 9), st.integers(0, 3), st.booleans())
def test_an_epoch_holds_every_feature_once_in_full_batches_but_the_last(
    lengths: np.ndarray, batch_size: int, seed: int, epoch: int, group: bool
) -> None:
    batches = epoch_batches(
        lengths, batch_size=batch_size, seed=seed, epoch=epoch, group_by_length=group
    )
    counts = Counter(place for batch in batches for place in batch.tolist())
    assert counts == Counter(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // batch_size)
    assert all(len(batch) == batch_size for batch in batches[:-1])


@pytest.mark.parametrize("group", [False, True])
def test_the_order_is_fixed_by_seed_and_epoch_alone(group: bool) -> None:
    lengths = np.random.default_rng(0).integers(10, 384, 500)

    def order(seed: int, epoch: int) -> list[int]:
        batches = epoch_batches(
            lengths, batch_size=16, seed=seed, epoch=epoch, group_by_length=group
        )
        return np.concatenate(batches).tolist()

    assert order(9, 0) == order(9, 0)
    assert len({tuple(order(*key)) for key in [(9, 0), (9, 1), (8, 0), (0, 9)]}) == 4


def test_groups_of_one_length_need_far_less_padding() -> None:
    lengths = np.random.default_rng(0).integers(10, 384, 5000)

    def padding(group: bool) -> float:
        batches = epoch_batches(lengths, batch_size=16, seed=9, epoch=0, group_by_length=group)
        padded = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
        return padded / int(lengths.sum()) - 1

    assert padding(True) < 0.05 < 0.5 < padding(False)


def test_grouped_batches_come_in_random_order_of_length() -> None:
    lengths = np.random.default_rng(0).integers(10, 384, 16 * MEGA_BATCH)
    batches = epoch_batches(lengths, batch_size=16, seed=9, epoch=0, group_by_length=True)
    longest = np.array([lengths[batch].max() for batch in batches])
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.4


@given(LENGTH_LISTS, st.integers(1, 20))
def test_evaluation_goes_from_the_longest_to_the_shortest(
    lengths: np.ndarray, batch_size: int
) -> None:
    batches = evaluation_batches(lengths, batch_size=batch_size)
    order = [place for batch in batches for place in batch.tolist()]
    assert order == sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
    assert all(len(batch) == batch_size for batch in batches[:-1])


@pytest.fixture
def table(tokenizer: PreTrainedTokenizerBase) -> FeatureTable:
    """Features of each family in turn."""
    return build_features(almanac("validation")[:12], tokenizer, max_seq_length=61, doc_stride=9)


def slow_row(column: np.ndarray, seq: int, fill: int, side: str) -> list[int]:
    padding = [fill] * (seq - len(column))
    return padding + column.tolist() if side == "left" else column.tolist() + padding


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("multiple", [1, 8])
def test_a_batch_is_the_rows_padded_to_the_longest(
    table: FeatureTable, side: str, multiple: int
) -> None:
    indices = np.array([5, 0, len(table) - 1, 3])
    batch = collate(
        table,
        indices,
        pad_token_id=77,
        pad_to_multiple_of=multiple,
        padding_side=side,
        labels=True,
    )
    seq = -(-int(table.lengths[indices].max()) // multiple) * multiple
    assert all(column.dtype == torch.int64 for column in batch.values())
    assert ("token_type_ids" in batch) == (table.token_type_ids is not None)
    for row, index in enumerate(indices):
        tokens = slice(table.row_offsets[index], table.row_offsets[index + 1])
        ids = table.input_ids[tokens]
        assert batch["input_ids"][row].tolist() == slow_row(ids, seq, 77, side)
        ones = np.ones_like(ids)
        assert batch["attention_mask"][row].tolist() == slow_row(ones, seq, 0, side)
        if table.token_type_ids is not None:
            types = slow_row(table.token_type_ids[tokens], seq, 0, side)
            assert batch["token_type_ids"][row].tolist() == types
        for name in ("start_positions", "end_positions"):
            mine = ids[getattr(table, name)[index]]
            assert batch["input_ids"][row, batch[name][row]] == mine


def test_labels_are_left_out_when_not_asked_for(table: FeatureTable) -> None:
    batch = collate(table, np.array([0, 1]), pad_token_id=0, labels=False)
    assert not {"start_positions", "end_positions"} & set(batch)


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_span_mask_fits_the_batch(table: FeatureTable, side: str) -> None:
    indices = np.array([4, 1, 2])
    batch = collate(table, indices, pad_token_id=0, padding_side=side, labels=False)
    is_context, cls_position = collate_span_mask(table, indices, padding_side=side)
    assert is_context.shape == batch["input_ids"].shape
    assert not (is_context & (batch["attention_mask"] == 0)).any()
    for row, index in enumerate(indices):
        tokens = slice(table.row_offsets[index], table.row_offsets[index + 1])
        ids, starts = table.input_ids[tokens], table.offset_starts[tokens]
        has_text = table.offset_ends[tokens] > starts
        assert batch["input_ids"][row][is_context[row]].tolist() == ids[has_text].tolist()
        assert batch["input_ids"][row, cls_position[row]] == ids[table.cls_position[index]]
