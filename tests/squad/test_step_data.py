from collections import Counter

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerBase

from qarank.squad.batches import collate
from qarank.squad.feature_table import FeatureTable
from qarank.squad.features import build_features
from qarank.squad.sample import almanac
from qarank.squad.step_data import TrainBatches


@pytest.fixture
def table(bert: PreTrainedTokenizerBase) -> FeatureTable:
    table = build_features(almanac("train")[:30], bert, max_seq_length=96, doc_stride=16)
    assert len(table) > 30
    return table


def batches_of(table: FeatureTable, *, seed: int = 9, group: bool = True) -> TrainBatches:
    return TrainBatches(
        table,
        example_ids=[f"q{number}" for number in range(30)],
        batch_size=8,
        seed=seed,
        group_by_length=group,
        pad_token_id=0,
        padding_side="right",
    )


@pytest.mark.parametrize("group", [False, True])
def test_an_epoch_holds_every_feature_once_and_ends_with_what_is_left(
    table: FeatureTable, group: bool
) -> None:
    data = batches_of(table, group=group)
    assert data.steps_per_epoch == -(-len(table) // 8)
    for epoch in range(3):
        first = epoch * data.steps_per_epoch + 1
        steps = [data.rows_at(first + place) for place in range(data.steps_per_epoch)]
        assert Counter(np.concatenate(steps).tolist()) == Counter(range(len(table)))
        assert [len(rows) for rows in steps[:-1]] == [8] * (len(steps) - 1)
        assert len(steps[-1]) == (len(table) % 8 or 8)


@pytest.mark.parametrize("group", [False, True])
def test_a_steps_rows_follow_from_its_number_alone(table: FeatureTable, group: bool) -> None:
    in_order = batches_of(table, group=group)
    steps = list(range(1, 4 * in_order.steps_per_epoch + 1))
    expected = {step: in_order.rows_at(step).tolist() for step in steps}
    asked = batches_of(table, group=group)
    for step in np.random.default_rng(0).permutation(steps + steps).tolist():
        assert asked.rows_at(step).tolist() == expected[step]
        assert batches_of(table, group=group).rows_at(step).tolist() == expected[step]


def test_epochs_and_seeds_have_their_own_order(table: FeatureTable) -> None:
    data, other = batches_of(table), batches_of(table, seed=8)

    def order(of: TrainBatches, epoch: int) -> tuple[int, ...]:
        steps = range(1 + epoch * of.steps_per_epoch, 1 + (epoch + 1) * of.steps_per_epoch)
        return tuple(row for step in steps for row in of.rows_at(step).tolist())

    assert len({order(data, 0), order(data, 1), order(other, 0)}) == 3


def test_features_are_loaded_as_collate_pads_them_with_labels(table: FeatureTable) -> None:
    for side in ("right", "left"):
        data = TrainBatches(
            table,
            example_ids=[],
            batch_size=8,
            seed=9,
            group_by_length=True,
            pad_token_id=3,
            padding_side=side,
        )
        rows = data.rows_at(2)
        expected = collate(table, rows, pad_token_id=3, padding_side=side, labels=True)
        loaded = data.load(rows)
        assert set(loaded) == set(expected) >= {"start_positions", "end_positions"}
        assert all(torch.equal(loaded[name], expected[name]) for name in expected)


def test_fewer_features_than_a_batch_are_one_step_an_epoch(table: FeatureTable) -> None:
    data = TrainBatches(
        table,
        example_ids=[],
        batch_size=999,
        seed=9,
        group_by_length=True,
        pad_token_id=0,
        padding_side="right",
    )
    assert data.steps_per_epoch == 1
    assert sorted(data.rows_at(5).tolist()) == list(range(len(table)))


def test_a_features_cost_is_its_tokens_and_its_name_its_examples_id(table: FeatureTable) -> None:
    data = batches_of(table)
    rows = data.rows_at(1)
    loaded = data.load(rows)
    assert data.lengths(rows).tolist() == loaded["attention_mask"].sum(dim=1).tolist()
    assert data.names(rows) == [f"q{number}" for number in table.example_index[rows]]
    all_names = data.names(np.arange(len(table)))
    assert len(all_names) > len(set(all_names)) == 30, "windows of one example share its name"


def test_no_rows_cost_nothing_and_have_no_names(table: FeatureTable) -> None:
    data, none = batches_of(table), np.zeros(0, dtype=np.int64)
    assert data.lengths(none).tolist() == data.names(none) == []
