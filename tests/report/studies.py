"""Made-up sweeps, of the kinds that reports must be able to tell about."""

import math
import random
from collections.abc import Sequence
from typing import Any

from qarank.report.groups import summarise_groups
from qarank.report.study import Comparison, Difference, Published, Results, Row, State, Study

KINDS = ("attention.self.query", "attention.self.key", "attention.self.value", "output.dense")
STEPS = 400
COST = 768  # parameters of a triplet
ODD_NAME = '<b>svd</b> & $8$ "r\'s"'
ODD_REASON = "no memory at step 12: <script>alert('12 GiB')</script> & more asked"


def paths(layers: int) -> list[str]:
    return [f"bert.encoder.layer.{layer}.{kind}" for layer in range(layers) for kind in KINDS]


def make_row(
    group: str, method: str, seed: int = 0, *, r: int = 8, layers: int = 4, **changes: Any
) -> Row:
    """A finished run; adapters other than none and full keep r triplets a matrix in the mean."""
    drawn = random.Random(f"{group} {seed}")
    f1 = 60 + 3 * math.log2(r + 1) + ("svd" in method) + drawn.gauss(0, 0.6)
    matrices = paths(layers) if method not in ("none", "full") else []
    ranks = {path: r for path in matrices}
    if "+" in method:
        for path in matrices:
            other = drawn.choice([each for each in matrices if each != path])
            moved = drawn.randint(0, min(ranks[other], r // 2 + 1))
            ranks[path], ranks[other] = ranks[path] + moved, ranks[other] - moved
    budget = sum(ranks.values()) * COST
    fields: dict[str, Any] = {
        "point": f"{group}_seed{seed}",
        "group": group,
        "method": method,
        "seed": seed,
        "learning_rate": 0.001,
        "state": "finished",
        "metrics": {"exact": f1 - 4, "f1": f1, "HasAns_f1": f1 - 9, "NoAns_exact": f1 + 6},
        "exact": f1 - 4,
        "f1": f1,
        "trained_parameters": 3 * budget // 2 + 770,
        "final_parameters": budget + 770 if ranks else None,
        "budget": budget if ranks else None,
        "start_budget": 12 * len(matrices) if "+" in method else None,
        "ranks": ranks,
        "train_s": 1500.0 + 10 * seed,
        "total_s": 1800.0,
        "features_per_s": 17.4,
        "peak_bytes": 2_316_431_360,
    }
    return Row(**{**fields, **changes})


def make_unfinished(group: str, method: str, state: State, seed: int, reason: str | None) -> Row:
    return Row(f"{group}_seed{seed}", group, method, seed, 0.001, state=state, reason=reason)


def log_run(row: Row) -> list[dict[str, Any]]:
    """Lines as of metrics.jsonl."""
    drawn = random.Random(row.point)
    lines = []
    for step in range(10, STEPS + 1, 10):
        loss = 1.4 + 3.5 * math.exp(-step / 90) + drawn.gauss(0, 0.08)
        lines.append({"global_step": step, "train/loss": loss, "train/learning_rate": 0.001})
        if step % 80 == 0:
            lines.append(
                {"global_step": step, "eval/f1": (row.f1 or 60) - 40 * math.exp(-step / 80)}
            )
    return lines


def log_rounds(row: Row) -> list[dict[str, Any]]:
    """Lines as of ranks.jsonl, of a run with an allocator."""
    total, count = sum(row.ranks.values()), len(row.ranks)
    lines: list[dict[str, Any]] = []
    for step in range(40, 201, 10):
        kept = total + round(total / 2 * (1 - step / 200) ** 3)
        ranks = {
            path: kept // count + (place < kept % count) for place, path in enumerate(row.ranks)
        }
        threshold = None if step == 40 else 1e-7 * (1 + step + row.seed)
        lines.append(
            {
                "global_step": step,
                "budget": kept,
                "threshold": threshold,
                "ranks": ranks,
                "revived": 1,
            }
        )
    return lines


def gather(
    rows: Sequence[Row],
    published: dict[str, Published] | None = None,
    comparisons: Sequence[Comparison] = (),
    **changes: Any,
) -> Results:
    """The results of runs, with curves, rounds and a folder each."""
    has_begun = [row for row in rows if row.state != "waiting"]
    fields: dict[str, Any] = {
        "name": "made_up",
        "rows": rows,
        "published": published or {},
        "recipe": "name: made_up\nadapter: {type: svd, r: 12}  # <i>12</i>\n",
        "data": {"train": {"label": "almanac", "examples": 2500, "features": 2732}},
        "versions": {"qarank": "0.1.0", "torch": "2.13.0"},
        "hardware": {"device": "cpu (x86_64)", "threads": 2},
        "curves": {row.point: log_run(row) for row in has_begun},
        "rounds": {row.point: log_rounds(row) for row in has_begun if row.start_budget},
        "links": {row.point: row.point for row in has_begun},
    }
    study = Study(**{**fields, **changes})
    return Results(study, summarise_groups(study), comparisons)


def many_kinds() -> Results:
    """Four methods, three seeds, a failed, a running and a waiting run, an odd name, published."""
    rows = [
        *(make_row(f"lora_r{r}", "frd", seed, r=r) for r in (2, 8) for seed in range(3)),
        *(make_row(f"ada_r{r}", "svd + adalora", seed, r=r) for r in (2, 8) for seed in range(3)),
        make_row(ODD_NAME, "svd", r=4),
        make_row("head_only", "none", r=1),
        make_unfinished("lora_r16", "frd", "failed", 0, ODD_REASON),
        make_unfinished("lora_r16", "frd", "running", 1, None),
        make_unfinished("lora_r16", "frd", "waiting", 2, None),
    ]
    published = {
        "lora_r8": Published("a paper, table 2", 66.1, 70.2),
        "ada_r8": Published("a paper, table 2", 66.9, 71.4),
        "lora_r16": Published("a paper, table 2", None, 71.0),
    }
    figures = {
        "exact": Difference(0.81, (0.12, 1.5), 0.021),
        "f1": Difference(-0.4, (-1.31, 0.52), 0.0001),
    }
    comparison = Comparison("ada_r8", "lora_r8", 98304.0, (0, 1, 2), 6078, figures)
    return gather(rows, published, [comparison])


def sixteen_points() -> Results:
    """Two methods at eight budgets, one seed, as in AdaLoRA's README."""
    sizes = (1, 2, 8, 16, 32, 58, 102, 156)
    rows = [
        make_row(f"{word}_r{r}", method, r=r, layers=12)
        for word, method in (("frd", "frd"), ("svd", "svd + adalora"))
        for r in sizes
    ]
    return gather(rows)


def nothing_finished() -> Results:
    rows = [
        make_unfinished("lora", "frd", "failed", 0, "data.train: no such file"),
        make_unfinished("ada", "svd + adalora", "waiting", 0, None),
    ]
    return gather(rows, curves={}, versions={}, hardware={}, data={})


def scored_as_v1() -> Results:
    """One seed each, SQuAD v1.1's metric, one evaluation a run, no allocator."""
    rows = [
        make_row("lora", "frd", metrics={"exact_match": 80.0, "f1": 88.0}, exact=80.0, f1=88.0),
        make_row("full", "full", metrics={"exact_match": 82.0, "f1": 89.0}, exact=82.0, f1=89.0),
    ]
    ends = {row.point: [{"global_step": 9, "train/loss": 2.0, "eval/f1": 88.0}] for row in rows}
    return gather(rows, curves=ends)


STUDIES = {
    "many kinds": many_kinds(),
    "sixteen points": sixteen_points(),
    "nothing finished": nothing_finished(),
    "v1, one seed": scored_as_v1(),
}
