from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from qarank.squad.batches import collate, collate_span_mask
from qarank.squad.feature_table import FeatureTable
from qarank.squad.features import build_features
from qarank.squad.sample import almanac
from qarank.workflows.reading import Reader, count_left_padding, read_batches

SIDES = pytest.mark.parametrize("side", ["right", "left"])


class Inputs(nn.Module):
    """Gives its token ids back as logits, and notes the names of what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[set[str]] = []

    def forward(self, input_ids: Tensor, **more: Tensor) -> SimpleNamespace:
        self.given.append({"input_ids", *more})
        return SimpleNamespace(start_logits=input_ids.float(), end_logits=-input_ids.float())


@pytest.fixture
def table(tiny_model_dir: Any) -> FeatureTable:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    return build_features(almanac("validation")[:6], tokenizer, max_seq_length=96, doc_stride=24)


def reader(side: str = "right") -> Reader:
    return Reader(Inputs(), torch.device("cpu"), pad_token_id=0, padding_side=side)


def keep_all(start: Tensor, end: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {"start": start, "end": end, **batch}


@SIDES
def test_each_batch_comes_as_the_model_saw_it_with_where_an_answer_can_be(
    side: str, table: FeatureTable
) -> None:
    batches = [np.array([2, 0]), np.array([1])]
    kept = read_batches(reader(side), table, batches, keep=keep_all)
    assert len(kept) == 2
    for rows, found in zip(batches, kept, strict=True):
        inputs = collate(table, rows, pad_token_id=0, padding_side=side, labels=False)
        is_context, cls_position = collate_span_mask(table, rows, padding_side=side)
        assert torch.equal(found["input_ids"], inputs["input_ids"])
        assert torch.equal(found["is_context"], is_context)
        assert torch.equal(found["cls_position"], cls_position)
        assert torch.equal(found["start"], inputs["input_ids"].float())
        assert torch.equal(found["end"], -found["start"])


def test_the_model_never_sees_where_an_answer_can_be(table: FeatureTable) -> None:
    asked = reader()
    read_batches(asked, table, [np.array([0])], keep=keep_all)
    (given,) = asked.model.given
    assert given >= {"input_ids", "attention_mask"}
    assert not given & {"is_context", "cls_position", "start_positions"}


@pytest.mark.parametrize("pad_to", [1, 8, 64])
def test_a_batch_is_as_long_as_its_longest_feature_rounded_up(
    pad_to: int, table: FeatureTable
) -> None:
    rows = np.array([0, 1, 2])
    (found,) = read_batches(reader(), table, [rows], keep=keep_all, pad_to=pad_to)
    longest = int(table.lengths[rows].max())
    assert found["start"].shape == (3, -(-longest // pad_to) * pad_to)


def test_features_done_are_counted_and_no_batch_is_no_work(table: FeatureTable) -> None:
    done: list[int] = []
    batches = [np.array([2, 0]), np.array([1])]
    read_batches(reader(), table, batches, keep=keep_all, on_batch=done.append)
    assert done == [2, 1]
    assert read_batches(reader(), table, [], keep=keep_all) == []


@pytest.mark.parametrize(("side", "expected"), [("left", [2, 0, 1]), ("right", [0, 0, 0])])
def test_padding_before_a_feature_is_counted(side: str, expected: list[int]) -> None:
    masks = {"left": [[0, 0, 1], [1, 1, 1], [0, 1, 1]], "right": [[1, 0, 0], [1, 1, 1], [1, 1, 0]]}
    assert count_left_padding(torch.tensor(masks[side]), side).tolist() == expected
