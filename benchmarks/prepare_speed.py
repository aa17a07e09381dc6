"""From examples to labelled training features: qarank against run_qa's `datasets.map`.

    python -m benchmarks.prepare_speed --data squad_v2_train.json.gz

Both start from the questions in memory and use MiniLM's tokenizer, max_seq_length 384, doc_stride
128. qarank's pass ends with the checked table on disk, mapped from there; the peer's with a Dataset
in memory. The labels of both are compared first.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from benchmarks import peer_run_qa
from benchmarks.peer_peft import load_encoder
from benchmarks.turns import compare_turns, time_in_turns, to_speeds
from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable
from qarank.squad.features import load_or_build_features
from qarank.squad.sources import load_examples

PEERS_SPEED = 1850.0  # features a second that run_qa's own map does on such a machine
STRAW = 0.8  # of it: a peer that is slower than that proves nothing


def build_ours(examples: list[Example], tokenizer: Any) -> FeatureTable:
    """As `qarank prepare` does the first time."""
    with tempfile.TemporaryDirectory() as folder:
        table, was_cached = load_or_build_features(
            examples,
            tokenizer,
            max_seq_length=peer_run_qa.MAX_LENGTH,
            doc_stride=peer_run_qa.STRIDE,
            cache_dir=Path(folder),
        )
    assert not was_cached
    return table


def to_rows(examples: list[Example]) -> Dataset:
    """The questions in the columns that the datasets library gives run_qa."""
    return Dataset.from_list(
        [
            {
                "id": example.id,
                "question": example.question,
                "context": example.context,
                "answers": {"text": example.answers, "answer_start": example.answer_starts},
            }
            for example in examples
        ]
    )


def count_equal(table: FeatureTable, features: Dataset) -> int:
    """Features whose tokens and labels are the same on both sides."""
    assert len(table) == len(features), "the two cut other windows"
    starts, ends = (np.array(features[key]) for key in ("start_positions", "end_positions"))
    same = (starts == table.start_positions) & (ends == table.end_positions)
    rows = np.split(table.input_ids, table.row_offsets[1:-1])
    for place, row in enumerate(rows[:: max(1, len(rows) // 500)]):
        theirs = features[place * max(1, len(rows) // 500)]["input_ids"][: len(row)]
        assert row.tolist() == theirs, "the two have other tokens"
    return int(same.sum())


def main() -> None:
    """One JSON document: features a second and the ratio."""
    parser = argparse.ArgumentParser(description="Feature speed, qarank against datasets.map.")
    parser.add_argument("--data", type=Path, required=True, help="official SQuAD JSON, or .gz")
    parser.add_argument("--examples", type=int, help="the first of them; default: all")
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    examples = load_examples(str(args.data), "train")[: args.examples]
    _, tokenizer = load_encoder()
    rows = to_rows(examples)
    table = build_ours(examples, tokenizer)
    equal = count_equal(table, peer_run_qa.build_train_features(rows, tokenizer))
    seconds = time_in_turns(
        {
            "qarank": lambda: void(build_ours(examples, tokenizer)),
            "datasets.map": lambda: void(peer_run_qa.build_train_features(rows, tokenizer)),
        },
        turns=args.turns,
    )
    speeds = to_speeds(seconds, len(table))
    document = {
        "examples": len(examples),
        "features": len(table),
        "features with the same labels": equal,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "features_per_s": speeds,
        "qarank / datasets.map": compare_turns(seconds["qarank"], seconds["datasets.map"]),
        "peer is no straw man": speeds["datasets.map"]["median"] >= STRAW * PEERS_SPEED,
    }
    print(json.dumps(document, indent=2))


def void(_: object) -> None:
    """Drop a result."""


if __name__ == "__main__":
    main()
