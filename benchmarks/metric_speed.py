"""Scoring questions: qarank's metric against the official script's functions.

    python -m benchmarks.metric_speed --data squad_v2_dev_official.json.gz --predictions P.json.gz

The peer is the official SQuAD v2 script's way, written from its published definition: each gold
answer and each prediction is normalised anew for every comparison, a character at a time. Reading
the files is timed on neither side.
"""

import argparse
import json
import re
import string
from collections import Counter
from pathlib import Path

from benchmarks.turns import compare_turns, time_in_turns, to_speeds
from qarank.squad.metric import score_v2
from qarank.squad.prediction_file import read_predictions
from qarank.squad.sources import load_examples

ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
PUNCTUATION = set(string.punctuation)

Gold = dict[str, tuple[str, ...]]


def normalize(text: str) -> str:
    """Lower case, no punctuation, no articles, single spaces."""
    bare = "".join(char for char in text.lower() if char not in PUNCTUATION)
    return " ".join(ARTICLES.sub(" ", bare).split())


def split_tokens(text: str) -> list[str]:
    """The words that are compared."""
    return normalize(text).split() if text else []


def compute_exact(gold: str, answer: str) -> int:
    """1 where both are the same once normalised."""
    return int(normalize(gold) == normalize(answer))


def compute_f1(gold: str, answer: str) -> float:
    """The harmonic mean of the shares of words that both have."""
    wanted, found = split_tokens(gold), split_tokens(answer)
    same = sum((Counter(wanted) & Counter(found)).values())
    if not wanted or not found:
        return float(wanted == found)
    if same == 0:
        return 0.0
    precision, recall = same / len(found), same / len(wanted)
    return 2 * precision * recall / (precision + recall)


def score_plainly(gold: Gold, answers: dict[str, str]) -> tuple[float, float]:
    """EM and F1 over all questions, per cent."""
    exact, f1 = {}, {}
    for key, texts in gold.items():
        kept = [text for text in texts if normalize(text)] or [""]
        exact[key] = max(compute_exact(text, answers[key]) for text in kept)
        f1[key] = max(compute_f1(text, answers[key]) for text in kept)
    return 100.0 * sum(exact.values()) / len(gold), 100.0 * sum(f1.values()) / len(gold)


def main() -> None:
    """One JSON document: questions a second and the ratio."""
    parser = argparse.ArgumentParser(description="Metric speed, qarank against the official way.")
    parser.add_argument("--data", type=Path, required=True, help="official SQuAD JSON, or .gz")
    parser.add_argument("--predictions", type=Path, required=True, help="{id: answer} of all of it")
    parser.add_argument("--turns", type=int, default=9)
    args = parser.parse_args()
    gold = {example.id: example.answers for example in load_examples(str(args.data), "validation")}
    answers = read_predictions(args.predictions)
    ours = score_v2(gold, answers)
    theirs = score_plainly(gold, answers)
    assert (round(ours["exact"], 9), round(ours["f1"], 9)) == tuple(round(x, 9) for x in theirs)
    seconds = time_in_turns(
        {
            "qarank": lambda: void(score_v2(gold, answers)),
            "official": lambda: void(score_plainly(gold, answers)),
        },
        turns=args.turns,
    )
    document = {
        "questions": len(gold),
        "questions_per_s": to_speeds(seconds, len(gold)),
        "qarank / official": compare_turns(seconds["qarank"], seconds["official"]),
    }
    print(json.dumps(document, indent=2))


def void(_: object) -> None:
    """Drop a result."""


if __name__ == "__main__":
    main()
