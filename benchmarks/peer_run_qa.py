"""run_qa's way from SQuAD to features, and from logits to answer files.

Stands alone: it imports nothing of qarank. Written from the documentation of transformers'
question-answering examples and of the datasets library: `map` in batches with a loop over the
windows that labels them; a loop over examples, windows and the twenty best starts and ends.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

Record = dict[str, Any]
Logits = tuple[np.ndarray, np.ndarray]  # start and end, (num_features, max_seq_length)

MAX_LENGTH, STRIDE = 384, 128
N_BEST, MAX_ANSWER_TOKENS = 20, 30


def tokenize(batch: Record, tokenizer: Any) -> Any:
    """Questions with their contexts, cut into overlapping windows, padded to the full length."""
    questions = [question.lstrip() for question in batch["question"]]
    return tokenizer(
        questions,
        batch["context"],
        truncation="only_second",
        max_length=MAX_LENGTH,
        stride=STRIDE,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        padding="max_length",
    )


def build_train_features(rows: Dataset, tokenizer: Any) -> Dataset:
    """Windows with the tokens at which the first gold answer begins and ends."""

    def label(batch: Record) -> Any:
        encoded = tokenize(batch, tokenizer)
        owners = encoded.pop("overflow_to_sample_mapping")
        mapping = encoded.pop("offset_mapping")
        encoded["start_positions"], encoded["end_positions"] = [], []
        for window, offsets in enumerate(mapping):
            cls_index = encoded["input_ids"][window].index(tokenizer.cls_token_id)
            answers = batch["answers"][owners[window]]
            kinds = encoded.sequence_ids(window)
            start, end = find_answer(offsets, kinds, answers, cls_index)
            encoded["start_positions"].append(start)
            encoded["end_positions"].append(end)
        return encoded

    return map_rows(rows, label)


def find_answer(offsets: Any, kinds: Any, answers: Record, cls_index: int) -> tuple[int, int]:
    """The answer's first and last token; twice cls_index where the window does not hold it."""
    if not answers["answer_start"]:
        return cls_index, cls_index
    begin = answers["answer_start"][0]
    stop = begin + len(answers["text"][0])
    first, last = 0, len(kinds) - 1
    while kinds[first] != 1:
        first += 1
    while kinds[last] != 1:
        last -= 1
    if offsets[first][0] > begin or offsets[last][1] < stop:
        return cls_index, cls_index
    while first < len(offsets) and offsets[first][0] <= begin:
        first += 1
    while offsets[last][1] >= stop:
        last -= 1
    return first - 1, last + 1


def build_eval_features(rows: Dataset, tokenizer: Any) -> Dataset:
    """Windows with the id of their example; offsets are None off the context."""

    def locate(batch: Record) -> Any:
        encoded = tokenize(batch, tokenizer)
        owners = encoded.pop("overflow_to_sample_mapping")
        encoded["example_id"] = [batch["id"][owner] for owner in owners]
        encoded["offset_mapping"] = [
            [
                pair if kind == 1 else None
                for pair, kind in zip(offsets, encoded.sequence_ids(window), strict=True)
            ]
            for window, offsets in enumerate(encoded["offset_mapping"])
        ]
        return encoded

    return map_rows(rows, locate)


def map_rows(rows: Dataset, work: Any) -> Dataset:
    """`map` as run_qa calls it, its cache left out."""
    return rows.map(
        work, batched=True, remove_columns=rows.column_names, load_from_cache_file=False
    )


def answer(rows: Dataset, features: Dataset, logits: Logits) -> dict[str, Record]:
    """predictions, nbest_predictions and null_odds of SQuAD v2, {id: ...} each."""
    windows = defaultdict(list)
    for row, example_id in enumerate(features["example_id"]):
        windows[example_id].append(row)
    files: dict[str, Record] = {"predictions": {}, "nbest_predictions": {}, "null_odds": {}}
    for example in rows:
        found: list[Record] = []
        null: Record | None = None
        for row in windows[example["id"]]:
            start_logits, end_logits = logits[0][row], logits[1][row]
            score = start_logits[0] + end_logits[0]
            if null is None or score < null["score"]:
                null = {
                    "offsets": (0, 0),
                    "score": score,
                    "start_logit": start_logits[0],
                    "end_logit": end_logits[0],
                }
            found += list_spans(features[row]["offset_mapping"], start_logits, end_logits)
        assert null is not None
        null_score = null["score"]
        entries = rank_entries(example["context"], [*found, null], null)
        best = next(entry for entry in entries if entry["text"])
        odds = float(null_score - best["start_logit"] - best["end_logit"])
        files["null_odds"][example["id"]] = odds
        files["predictions"][example["id"]] = "" if odds > 0.0 else best["text"]
        files["nbest_predictions"][example["id"]] = [
            {key: value if key == "text" else float(value) for key, value in entry.items()}
            for entry in entries
        ]
    return files


def list_spans(offsets: Any, start_logits: np.ndarray, end_logits: np.ndarray) -> list[Record]:
    """The legal pairs of the best starts and the best ends of a window."""
    starts = np.argsort(start_logits)[-1 : -N_BEST - 1 : -1].tolist()
    ends = np.argsort(end_logits)[-1 : -N_BEST - 1 : -1].tolist()
    spans = []
    for start in starts:
        for end in ends:
            if offsets[start] is None or offsets[end] is None:
                continue
            if end < start or end - start + 1 > MAX_ANSWER_TOKENS:
                continue
            spans.append(
                {
                    "offsets": (offsets[start][0], offsets[end][1]),
                    "score": start_logits[start] + end_logits[end],
                    "start_logit": start_logits[start],
                    "end_logit": end_logits[end],
                }
            )
    return spans


def rank_entries(context: str, found: list[Record], null: Record) -> list[Record]:
    """The n best with texts and probabilities; "no answer" among them in any case."""
    entries = sorted(found, key=lambda one: one["score"], reverse=True)[:N_BEST]
    if not any(one["offsets"] == (0, 0) for one in entries):
        entries.append(null)
    for one in entries:
        begin, stop = one.pop("offsets")
        one["text"] = context[begin:stop]
    if len(entries) == 1 and not entries[0]["text"]:
        entries.insert(0, {"text": "empty", "start_logit": 0.0, "end_logit": 0.0, "score": 0.0})
    scores = np.array([one.pop("score") for one in entries])
    weights = np.exp(scores - np.max(scores))
    for one, probability in zip(entries, weights / weights.sum(), strict=True):
        one["probability"] = probability
    return entries


def write_files(files: dict[str, Record], folder: Path) -> None:
    """The three files, as run_qa lays them out."""
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=4) + "\n")
