from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from qarank.config.data_schema import DataConfig
from qarank.config.schema import EvalConfig
from qarank.squad.compat_run_qa import decode_as_run_qa
from qarank.squad.feature_table import FeatureTable
from qarank.squad.features import build_features
from qarank.squad.raw_offsets import read_raw_offsets
from qarank.squad.sample import almanac
from qarank.squad.top_logits import keep_top_logits
from qarank.workflows.reading import Reader
from qarank.workflows.run_qa import answer_as_run_qa

EXAMPLES = almanac("validation")[:8]
LENGTHS = {"max_seq_length": 96, "doc_stride": 24}
DATA = DataConfig(source="sample:almanac", **LENGTHS)
SETTINGS = EvalConfig(batch_size=3, n_best_size=6, max_answer_length=7)


class Scripted(nn.Module):
    """Logits that are a fixed function of the place and the token id, padding's too."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, input_ids: Tensor, **_: Tensor) -> SimpleNamespace:
        self.shapes.append(tuple(input_ids.shape))
        place = torch.arange(input_ids.shape[1])
        return SimpleNamespace(
            start_logits=torch.sin(input_ids.float() + place),
            end_logits=torch.cos(3.0 * input_ids - place),
        )


@pytest.fixture
def tokenizer(tiny_model_dir: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_model_dir)


@pytest.fixture
def table(tokenizer: PreTrainedTokenizerBase) -> FeatureTable:
    return build_features(EXAMPLES, tokenizer, **LENGTHS)


@pytest.mark.parametrize("side", ["right", "left"])
def test_batches_change_nothing_and_padding_is_read_as_run_qa_reads_it(
    tokenizer: PreTrainedTokenizerBase, table: FeatureTable, side: str
) -> None:
    model = Scripted()
    reader = Reader(model, torch.device("cpu"), pad_token_id=0, padding_side=side)
    done: list[int] = []
    found = answer_as_run_qa(
        reader, EXAMPLES, table, tokenizer, DATA, SETTINGS, null_threshold=0.5, on_batch=done.append
    )
    assert {length for _, length in model.shapes} == {96}, "each feature padded to the full length"
    assert sum(done) == len(table) > len(EXAMPLES)
    ids = np.zeros((len(table), 96), dtype=np.int64)
    shift = 96 - table.lengths if side == "left" else np.zeros(len(table), dtype=np.int64)
    for row, (begin, length) in enumerate(zip(table.row_offsets, table.lengths, strict=False)):
        ids[row, shift[row] : shift[row] + length] = table.input_ids[begin : begin + length]
    logits = Scripted()(torch.from_numpy(ids))
    top = keep_top_logits(
        logits.start_logits.numpy(), logits.end_logits.numpy(), shift, n_best_size=6
    )
    offsets = read_raw_offsets(EXAMPLES, table, tokenizer, doc_stride=24)
    wanted = decode_as_run_qa(
        EXAMPLES,
        table,
        offsets,
        top,
        n_best_size=6,
        max_answer_length=7,
        null_threshold=0.5,
        with_null=True,
    )
    assert found == wanted
    assert any(found.predictions.values())
