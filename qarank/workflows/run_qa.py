"""An evaluation as Hugging Face's run_qa does it, from its padding to its arithmetic."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from qarank.config.schema import EvalConfig
from qarank.squad.batches import evaluation_batches
from qarank.squad.compat_run_qa import RunQaAnswers, decode_as_run_qa
from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable
from qarank.squad.raw_offsets import read_raw_offsets
from qarank.squad.top_logits import TopLogits, join_top_logits, keep_top_logits
from qarank.workflows.data import Lengths
from qarank.workflows.reading import Reader, count_left_padding, read_batches


def answer_as_run_qa(
    reader: Reader,
    examples: Sequence[Example],
    table: FeatureTable,
    tokenizer: PreTrainedTokenizerBase,
    data: Lengths,
    settings: EvalConfig,
    *,
    null_threshold: float | None,
    on_batch: Callable[[int], None] = lambda _: None,
) -> RunQaAnswers:
    """Answer every example; every feature is padded to max_seq_length, as run_qa's are.

    Args:
        reader: the model.
        examples: questions with their contexts.
        table: their features.
        tokenizer: the features' own.
        data: names max_seq_length and doc_stride.
        settings: batch size and lengths.
        null_threshold: score difference above which there is no answer; None: there always is one.
        on_batch: told the number of features done.
    """
    batches = evaluation_batches(table.lengths, batch_size=settings.batch_size)
    keep = partial(_keep, side=reader.padding_side, n_best_size=settings.n_best_size)
    parts = read_batches(
        reader, table, batches, keep=keep, pad_to=data.max_seq_length, on_batch=on_batch
    )
    return decode_as_run_qa(
        examples,
        table,
        read_raw_offsets(examples, table, tokenizer, doc_stride=data.doc_stride),
        join_top_logits(parts, np.concatenate(batches)),
        n_best_size=settings.n_best_size,
        max_answer_length=settings.max_answer_length,
        null_threshold=0.0 if null_threshold is None else null_threshold,
        with_null=null_threshold is not None,
    )


def _keep(
    start_logits: Tensor,
    end_logits: Tensor,
    batch: Mapping[str, Tensor],
    *,
    side: str,
    n_best_size: int,
) -> TopLogits:
    return keep_top_logits(
        start_logits.float().cpu().numpy(),
        end_logits.float().cpu().numpy(),
        count_left_padding(batch["attention_mask"], side).cpu().numpy(),
        n_best_size=n_best_size,
    )
