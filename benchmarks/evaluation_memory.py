"""Memory an evaluation takes, for n features and for four times as many.

    python -m benchmarks.evaluation_memory --data squad_v2_dev_official.json.gz

A model that costs nothing stands in for a real one, so that what is left is the evaluation's own:
batches, what is kept of their logits, answers. Each size has a process of its own; features are
mapped from their file, and memory is what the process holds beside mapped files (resident minus
shared), at the end of every batch and after decoding. Beside it stands what the logits would take
if they were gathered first, as Hugging Face's Trainer does: float32, padded to 384, twice.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from benchmarks.peer_peft import load_encoder
from benchmarks.peer_run_qa import MAX_LENGTH, STRIDE
from qarank.config.schema import EvalConfig
from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable, read_table, write_table
from qarank.squad.features import build_features
from qarank.squad.sources import load_examples
from qarank.workflows.reading import Reader
from qarank.workflows.scoring import decode_spans, find_spans

MEGABYTE = 2**20


class Stub(nn.Module):
    """Logits that are a function of the token ids."""

    def forward(self, input_ids: Tensor, **_: Tensor) -> SimpleNamespace:
        """Logits, (batch, seq) each."""
        ids = input_ids.float()
        return SimpleNamespace(start_logits=torch.sin(ids), end_logits=torch.cos(3.0 * ids))


def repeat_table(table: FeatureTable, times: int, num_examples: int) -> FeatureTable:
    """The features `times` over, of as many times as many examples."""
    columns: dict[str, Any] = {}
    for field in dataclasses.fields(table):
        values = getattr(table, field.name)
        columns[field.name] = None if values is None else np.tile(values, times)
    lengths = np.tile(table.lengths, times)
    columns["row_offsets"] = np.concatenate([[0], np.cumsum(lengths)])
    shift = np.repeat(np.arange(times) * num_examples, len(table))
    columns["example_index"] = (columns["example_index"] + shift).astype(np.int32)
    return FeatureTable(**columns)


def held_bytes() -> int:
    """What this process holds beside mapped files."""
    memory = psutil.Process().memory_info()
    return int(memory.rss - memory.shared)


def measure(data: Path, count: int, times: int) -> dict[str, float]:
    """Megabytes more than before, at the worst: while reading and with the answers."""
    examples = load_examples(str(data), "validation")[:count]
    _, tokenizer = load_encoder()
    table = build_features(examples, tokenizer, max_seq_length=MAX_LENGTH, doc_stride=STRIDE)
    many = [
        Example(f"{copy} {example.id}", "", example.context, example.question)
        for copy in range(times)
        for example in examples
    ]
    reader = Reader(Stub(), torch.device("cpu"), pad_token_id=0, padding_side="right")
    settings = EvalConfig()
    find_spans(reader, table, settings)  # what is loaded once is loaded now
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.arrow"
        write_table(repeat_table(table, times, len(examples)), path)
        mapped = read_table(path)
        before = held_bytes()
        peaks = [before]
        spans = find_spans(reader, mapped, settings, on_batch=lambda _: peaks.append(held_bytes()))
        decoded = decode_spans(spans, many, mapped, settings, null_threshold=0.0)
        after = held_bytes()
        assert len(decoded.predictions) == len(many)
        return {
            "features": len(mapped),
            "reading_mb": (max(peaks) - before) / MEGABYTE,
            "answers_mb": (after - before) / MEGABYTE,
            "gathered_logits_mb": len(mapped) * MAX_LENGTH * 2 * 4 / MEGABYTE,
        }


def main() -> None:
    """One JSON document: megabytes for n and 4 n features."""
    parser = argparse.ArgumentParser(description="Memory of an evaluation by number of features.")
    parser.add_argument("--data", type=Path, required=True, help="official SQuAD JSON, or .gz")
    parser.add_argument("--examples", type=int, help="the first of them; default: all")
    parser.add_argument("--times", type=int, help="measure this many times over, here")
    args = parser.parse_args()
    if args.times is not None:
        print(json.dumps(measure(args.data, args.examples, args.times)))
        return
    count = args.examples or len(load_examples(str(args.data), "validation"))
    found = []
    for times in (1, 4):
        words = ["--data", str(args.data), "--examples", str(count), "--times", str(times)]
        child = [sys.executable, "-m", "benchmarks.evaluation_memory", *words]
        done = subprocess.run(child, check=True, capture_output=True, text=True)
        found.append(json.loads(done.stdout))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
