"""Splits training questions by article: some to choose settings on, the rest to train on.

    python -m benchmarks.hold_out_articles --train squad_v2_train.json.gz --out DIR

writes DIR/kept.jsonl and DIR/held_out.jsonl, records that `data.train` and `data.validation` read.
No article is in both, so that what is chosen on the one has not been trained on.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from qarank.squad.examples import Example
from qarank.squad.holdout import hold_out
from qarank.squad.sources import load_data


def split_articles(train: Path, out: Path, *, share: float, seed: int) -> tuple[int, int]:
    """Write both files; how many questions each has.

    Args:
        train: questions in any form that qarank reads.
        out: folder, made where it is not there; files of these names are replaced.
        share: of the questions to hold out, about, 0 < share < 1.
        seed: of the choice of articles.

    Raises:
        DataError: the file cannot be read, or its articles allow no such share.
    """
    kept, held = hold_out(load_data(str(train), "train"), share, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    for name, part in (("kept", kept), ("held_out", held)):
        write_records(out / f"{name}.jsonl", part.examples)
    return len(kept.examples), len(held.examples)


def write_records(path: Path, examples: Sequence[Example]) -> None:
    """A line a question, with the keys that `datasets` gives SQuAD."""
    with path.open("w", encoding="utf-8") as file:
        for example in examples:
            answers = {
                "text": list(example.answers),
                "answer_start": list(example.answer_starts),
            }
            record = {
                "id": example.id,
                "title": example.title,
                "context": example.context,
                "question": example.question,
                "answers": answers,
            }
            file.write(json.dumps(record) + "\n")


def main() -> None:
    """Split, and say how."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.03)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    kept, held = split_articles(asked.train, asked.out, share=asked.share, seed=asked.seed)
    print(f"{kept:,} questions kept, {held:,} of other articles held out")


if __name__ == "__main__":
    main()
