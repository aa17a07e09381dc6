"""Training features a second: qarank against stock PEFT, LoRA and AdaLoRA, in one run.

    python -m benchmarks.train_speed --train squad_v2_train.json.gz

The four loops take turns, a few steps at a time, so that a machine whose speed drifts slows all of
them alike; what is reported is the median over turns and its spread. Both sides train MiniLM in
bf16 at max_seq_length 256, doc_stride 96, batch 16, with the model's own dropout.

Two ratios: `shipped` lets each side batch as it does by itself (run_qa's way pads to the full
length, qarank groups by length); `equal` gives both the same shapes (random order, padded to the
longest of the batch, which is kinder to the peer than its own default).
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks import peer_peft
from qarank.artifacts.run_dir import claim_run_dir
from qarank.config.load import load_recipe
from qarank.config.sweep_points import expand_points
from qarank.engine.tracking import Tracker
from qarank.workflows.build import Setting
from qarank.workflows.prepare import prepare_run
from qarank.workflows.session import TrainingSession

RECIPE = Path(__file__).parent.parent / "recipes" / "minilm_squad_v2.yaml"
METHODS = ("lora", "adalora")
Step = Callable[[], None]


def build_ours(method: str, args: argparse.Namespace, folder: Path, *, equal: bool) -> Step:
    """One optimizer step of qarank at a call."""
    overrides = [
        "seed=0",
        f"data.train={args.train}",
        "data.validation=null",
        f"data.max_train_examples={args.examples}",
        f"runs_dir={folder}",
        f"train.group_by_length={str(not equal).lower()}",
    ]
    points = {point.name: point for point in expand_points(load_recipe(RECIPE, overrides))}
    prepared = prepare_run(points[method].recipe)
    run_dir = claim_run_dir(folder / method, overwrite=True)
    tracker = Tracker(run_dir.metrics_path, run_dir.tensorboard_dir)
    session = TrainingSession(prepared, run_dir, tracker, Setting(torch.device("cpu"), "bf16"))
    steps = iter(range(1, prepared.plan.total_steps + 1))

    def step() -> None:
        session.trainer.train_step(next(steps))

    return step


def build_peer(method: str, args: argparse.Namespace, *, equal: bool) -> Step:
    """One optimizer step of the stock loop at a call."""
    options = peer_peft.read_options(
        [
            *("--method", method, "--train", str(args.train), "--eval", str(args.train)),
            *("--max-train-examples", str(args.examples)),
            *("--pad", "longest" if equal else "max_length"),
        ]
    )
    torch.manual_seed(options.seed)
    model, tokenizer = peer_peft.load_encoder()
    examples = peer_peft.read_squad(options.train, options.max_train_examples, options.seed)
    features = peer_peft.build_train_features(examples, tokenizer, options)
    total = -(-len(features) // options.batch_size)
    model = peer_peft.add_adapter(model, options, total)
    loader = peer_peft.build_loader(features, tokenizer, options)
    steps: Iterator[Any] = peer_peft.take_steps(model, loader, options, total)

    def step() -> None:
        next(steps)

    return step


def measure(
    loops: dict[str, Step], *, turns: int, steps: int, batch: int
) -> dict[str, list[float]]:
    """Features a second of each loop, one figure a turn; the first turn warms up."""
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(turns + 1):
        for name, step in loops.items():
            began = time.perf_counter()
            for _ in range(steps):
                step()
            if turn:
                speeds[name].append(steps * batch / (time.perf_counter() - began))
    return speeds


def main() -> None:
    """One JSON document: speeds and ratios."""
    parser = argparse.ArgumentParser(description="Training speed, qarank against stock PEFT.")
    parser.add_argument("--train", type=Path, required=True, help="official SQuAD JSON, or .gz")
    parser.add_argument("--examples", type=int, default=3000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="optimizer steps a turn")
    parser.add_argument("--equal", action="store_true", help="same shapes on both sides")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        loops = {}
        for method in METHODS:
            loops[f"qarank {method}"] = build_ours(method, args, Path(folder), equal=args.equal)
            loops[f"peft {method}"] = build_peer(method, args, equal=args.equal)
        speeds = measure(loops, turns=args.turns, steps=args.steps, batch=16)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    ratios = {m: medians[f"qarank {m}"] / medians[f"peft {m}"] for m in METHODS}
    document = {
        "mode": "equal" if args.equal else "shipped",
        "threads": torch.get_num_threads(),
        "features_per_s": {
            name: {"median": medians[name], "min": min(values), "max": max(values)}
            for name, values in speeds.items()
        },
        "qarank / peft": ratios,
        "adalora step / lora step": {
            side: medians[f"{side} lora"] / medians[f"{side} adalora"]
            for side in ("qarank", "peft")
        },
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
