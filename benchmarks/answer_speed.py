"""From logits to answers: qarank's search and decoding against run_qa's loops.

    python -m benchmarks.answer_speed --data squad_v2_dev_official.json.gz

Both get the same float32 logits: noise, a few likely spans a window, an unlikely padding. The peer
has them padded to 384 and looks at twenty starts and twenty ends of each window; qarank has them in
the batches it reads, and searches every pair. `answers` ends with the chosen texts and the null
odds, `files` with all three files on disk. MiniLM's tokenizer, max_seq_length 384, doc_stride 128.
"""

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from benchmarks import peer_run_qa
from benchmarks.peer_peft import load_encoder
from benchmarks.turns import compare_turns, time_in_turns, to_speeds
from qarank.artifacts.evaluation import write_evaluation
from qarank.squad.batches import collate_span_mask, evaluation_batches
from qarank.squad.examples import Example
from qarank.squad.feature_table import FeatureTable
from qarank.squad.features import build_features
from qarank.squad.postprocess import Decoded, decode_predictions
from qarank.squad.sources import load_examples
from qarank.squad.spans import TopSpans, top_spans

BATCH = 128  # features
PEERS_SPEED = 2300.0  # examples a second that run_qa's own loop does on such a machine
STRAW = 0.8  # of it: a peer that is slower than that proves nothing


@dataclass(frozen=True)
class Ours:
    """Examples, their features, and the logits of each batch as a model gives them."""

    examples: list[Example]
    table: FeatureTable
    batches: list[np.ndarray]
    logits: list[tuple[Tensor, Tensor]]

    def decode(self) -> Decoded:
        """As an evaluation does, from the model's output on."""
        parts = []
        for rows, (starts, ends) in zip(self.batches, self.logits, strict=True):
            is_context, cls_position = collate_span_mask(self.table, rows)
            parts.append(
                top_spans(starts, ends, is_context, cls_position, k=20, max_answer_length=30)
            )
        back = torch.from_numpy(np.argsort(np.concatenate(self.batches)))
        names = ("start", "end", "score", "null_score")
        spans = TopSpans(*(torch.cat([getattr(p, name) for p in parts])[back] for name in names))
        return decode_predictions(
            self.examples,
            self.table,
            spans,
            n_best_size=20,
            null_threshold=0.0,
            with_null=True,
        )

    def write(self, folder: Path) -> None:
        """Answers, candidates and null odds."""
        found = self.decode()
        write_evaluation(
            folder,
            metrics={},
            predictions=found.predictions,
            nbest_json=found.nbest_json,
            null_odds=found.null_odds,
        )


@dataclass(frozen=True)
class Theirs:
    """Examples and features as Datasets, logits padded to the full length."""

    rows: Dataset
    features: Dataset
    logits: peer_run_qa.Logits

    def decode(self) -> dict[str, peer_run_qa.Record]:
        """run_qa's loops."""
        return peer_run_qa.answer(self.rows, self.features, self.logits)

    def write(self, folder: Path) -> None:
        """The same three files."""
        peer_run_qa.write_files(self.decode(), folder)


def draw_logits(table: FeatureTable, seed: int) -> peer_run_qa.Logits:
    """(num_features, 384) float32 twice, with the shape of a trained model's logits."""
    generator = np.random.default_rng(seed)
    shape = (len(table), peer_run_qa.MAX_LENGTH)
    starts, ends = generator.normal(-6.0, 1.5, (2, *shape)).astype(np.float32)
    rows = np.arange(len(table))
    for _ in range(3):
        first = (generator.random(len(table)) * table.lengths).astype(np.int64)
        last = np.minimum(first + generator.integers(0, 6, len(table)), table.lengths - 1)
        starts[rows, first] += generator.normal(8.0, 3.0, len(table))
        ends[rows, last] += generator.normal(8.0, 3.0, len(table))
    is_padding = np.arange(shape[1]) >= table.lengths[:, None]
    starts[is_padding] -= 6.0
    ends[is_padding] -= 6.0
    starts[:, 0] += 8.0  # "no answer" is likely
    ends[:, 0] += 8.0
    return starts, ends


def prepare(data: Path, count: int | None) -> tuple[Ours, Theirs]:
    """Both sides, with the same logits."""
    examples = load_examples(str(data), "validation")[:count]
    _, tokenizer = load_encoder()
    sizes = {"max_seq_length": peer_run_qa.MAX_LENGTH, "doc_stride": peer_run_qa.STRIDE}
    table = build_features(examples, tokenizer, **sizes)
    records = [
        {
            "id": example.id,
            "question": example.question,
            "context": example.context,
            "answers": {"text": example.answers, "answer_start": example.answer_starts},
        }
        for example in examples
    ]
    rows = Dataset.from_list(records)
    features = peer_run_qa.build_eval_features(rows, tokenizer)
    assert len(features) == len(table)
    starts, ends = draw_logits(table, seed=0)
    batches = evaluation_batches(table.lengths, batch_size=BATCH)
    logits = []
    for batch in batches:
        length = collate_span_mask(table, batch)[0].shape[1]
        pair = (torch.from_numpy(side[batch, :length].copy()) for side in (starts, ends))
        logits.append((next(pair), next(pair)))
    return Ours(examples, table, batches, logits), Theirs(rows, features, (starts, ends))


def main() -> None:
    """One JSON document: examples a second and ratios."""
    parser = argparse.ArgumentParser(description="Decoding speed, qarank against run_qa's loops.")
    parser.add_argument("--data", type=Path, required=True, help="official SQuAD JSON, or .gz")
    parser.add_argument("--examples", type=int, help="the first of them; default: all")
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    ours, theirs = prepare(args.data, args.examples)
    mine, other = ours.decode(), theirs.decode()
    agree = sum(mine.predictions[key] == text for key, text in other["predictions"].items())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ours").mkdir()
        seconds = time_in_turns(
            {
                "qarank answers": lambda: void(ours.decode()),
                "run_qa answers": lambda: void(theirs.decode()),
                "qarank files": lambda: ours.write(Path(folder) / "ours"),
                "run_qa files": lambda: theirs.write(Path(folder)),
            },
            turns=args.turns,
        )
    speeds = to_speeds(seconds, len(ours.examples))
    document = {
        "examples": len(ours.examples),
        "features": len(ours.table),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "same answers": agree / len(ours.examples),
        "examples_per_s": speeds,
        "answers: qarank / run_qa": compare_turns(
            seconds["qarank answers"], seconds["run_qa answers"]
        ),
        "files: qarank / run_qa": compare_turns(seconds["qarank files"], seconds["run_qa files"]),
        "peer is no straw man": speeds["run_qa answers"]["median"] >= STRAW * PEERS_SPEED,
    }
    print(json.dumps(document, indent=2))


def void(_: object) -> None:
    """Drop a result."""


if __name__ == "__main__":
    main()
