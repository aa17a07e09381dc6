"""An evaluation shared by processes, which are threads here."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from qarank.config.schema import EvalConfig
from qarank.engine.distributed import Processes
from qarank.errors import NonFiniteError, QarankError, StoppedError
from qarank.squad.feature_table import FeatureTable
from qarank.squad.features import build_features
from qarank.squad.sample import almanac
from qarank.squad.spans import TopSpans
from qarank.workflows.scoring import Reader, find_spans

SETTINGS = EvalConfig(batch_size=4, n_best_size=5, max_answer_length=6)
Together = Callable[[Callable[[Processes], Any], int], list[Any]]


class Scripted(nn.Module):
    """Logits that are a fixed function of the token ids."""

    def forward(self, input_ids: Tensor, **_: Tensor) -> SimpleNamespace:
        return SimpleNamespace(
            start_logits=torch.sin(input_ids.float()), end_logits=torch.cos(3.0 * input_ids)
        )


@pytest.fixture
def table(tiny_model_dir: Path) -> FeatureTable:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    return build_features(almanac("validation")[:10], tokenizer, max_seq_length=96, doc_stride=24)


def make_reader() -> Reader:
    return Reader(Scripted(), torch.device("cpu"), pad_token_id=0, padding_side="right")


def require_same(found: TopSpans, expected: TopSpans) -> None:
    for field in fields(TopSpans):
        assert torch.equal(getattr(found, field.name), getattr(expected, field.name)), field.name


@pytest.mark.parametrize("size", [2, 3, 50])
def test_every_process_gets_the_whole_as_one_alone_finds_it(
    size: int, table: FeatureTable, run_together: Together
) -> None:
    done: dict[int, int] = dict.fromkeys(range(size), 0)

    def find(processes: Processes) -> TopSpans:
        rank = processes.world.global_rank

        def count(rows: int) -> None:
            done[rank] += rows

        return find_spans(make_reader(), table, SETTINGS, processes=processes, on_batch=count)

    outcomes = run_together(find, size)
    expected = find_spans(make_reader(), table, SETTINGS)
    for found in outcomes:
        require_same(found, expected)
    assert sum(done.values()) == len(table), "each feature is read once, by one process"
    if size == 50:
        assert 0 in done.values(), "and some have none to read"
    else:
        assert max(done.values()) - min(done.values()) <= SETTINGS.batch_size


@pytest.mark.parametrize("error", [StoppedError("given up", 15), NonFiniteError("logits are nan")])
def test_what_ends_one_process_ends_all_with_the_same_error(
    error: QarankError, table: FeatureTable, run_together: Together
) -> None:
    batches: list[int] = []

    def find(processes: Processes) -> TopSpans:
        def fail(_: int) -> None:
            batches.append(processes.world.global_rank)
            if processes.world.global_rank == 1:
                raise error

        return find_spans(make_reader(), table, SETTINGS, processes=processes, on_batch=fail)

    outcomes = run_together(find, 2)
    assert {type(outcome) for outcome in outcomes} == {type(error)}
    assert {(str(outcome), outcome.exit_code) for outcome in outcomes} == {
        (str(error), error.exit_code)
    }
    assert [outcome.is_told for outcome in outcomes] == [True, False], "process 1 has its own"
    assert batches.count(1) == 1, "what is given up is not read on"
