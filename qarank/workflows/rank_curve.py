"""qarank eval --budgets: one trained adapter, cut to lower and lower ranks, scored at each.

Nothing is trained anew: of all singular values of all Delta W the largest are kept. It says how
much of the rank that training left is of use, not what training at that budget would have given.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from qarank.adapters.truncate import ranks_within, singular_triplets, truncate_update
from qarank.engine.progress import ProgressBar
from qarank.errors import AdapterError, DataError
from qarank.squad.text_file import require_file
from qarank.workflows.data import Part
from qarank.workflows.evaluate import allows_null, load_part
from qarank.workflows.inspect_ranks import RankReport
from qarank.workflows.kept_ranks import ranks_now, report_kept
from qarank.workflows.saved_model import OpenedModel, open_model
from qarank.workflows.scoring import evaluate_reader


def score_budgets(
    path: Path,
    budgets: Sequence[int],
    *,
    data: Path | None = None,
    precision: str | None = None,
    null_threshold: float | None = None,
    show_progress: bool = False,
) -> dict[str, Any]:
    """Score an adapter as it is, and cut to each budget.

    Args:
        path: a run (its best checkpoint counts), a checkpoint, or a PEFT adapter.
        budgets: triplets over all matrices, 0 or more each; all that there are cut nothing.
        data: a file of any known kind; None takes the recipe's evaluation data.
        precision: fp32, bf16, fp16 or auto; None takes the recipe's.
        null_threshold: as in `evaluate_run`; the same at every budget.
        show_progress: draw a bar where stderr is a terminal.

    Returns:
        `checkpoint`, `data`, and `budgets`: a row each, the whole adapter first, then falling:
        budget, ranks (of each matrix, 0 too), parameters, kept_energy (of the sum of
        ||Delta W||_F^2) and metrics.

    Raises:
        DataError: a budget is below 0, or above what the adapter keeps.
        AdapterError: the path holds no adapter.
    """
    if data is not None:
        require_file(data)
    opened = open_model(path, precision=precision)
    if not opened.is_adapter:
        raise AdapterError(f"{path} holds no adapter: there is no rank to cut")
    falling = order_budgets(budgets, count_triplets(opened), of=path)
    report = report_kept(opened)
    part = load_part(path, opened, data)
    threshold = opened.manner.choose_threshold(
        null_threshold, with_null=allows_null(opened, part), of=opened.folder
    )
    rows = _score_each(falling, opened, report, part, threshold, show_progress=show_progress)
    return {"checkpoint": str(opened.folder), "data": part.label, "budgets": rows}


def _score_each(
    falling: Sequence[int],
    opened: OpenedModel,
    report: RankReport,
    part: Part,
    threshold: float | None,
    *,
    show_progress: bool,
) -> list[dict[str, Any]]:
    """A row a budget; each cut is made of what the one before it left."""
    rows, energy = [], find_energy(opened)
    with ProgressBar("evaluate", len(part.table) * len(falling), shown=show_progress) as bar:
        for budget in falling:
            cut_to_budget(opened, budget)
            found = evaluate_reader(
                opened.reader,
                part.examples,
                part.table,
                opened.settings,
                null_threshold=threshold,
                on_batch=bar.advance,
            )
            rows.append(_describe(opened, report, energy, found.metrics))
    return rows


def order_budgets(budgets: Sequence[int], total: int, *, of: Path) -> list[int]:
    """All triplets first, then what was asked for, falling, each once.

    Raises:
        DataError: a budget is not in 0..total.
    """
    allowed = f"0..{total}" if total else "0 alone"
    for budget in budgets:
        if not 0 <= budget <= total:
            raise DataError(f"--budgets names {budget}; {of} keeps {total}, so {allowed}")
    return sorted({total, *budgets}, reverse=True)


def count_triplets(opened: OpenedModel) -> int:
    """Over all matrices, as they are now."""
    return sum(layer.rank for layer in opened.layers.values())


@torch.no_grad()
def cut_to_budget(opened: OpenedModel, budget: int) -> None:
    """Keep the largest singular values of all updates together, in place; of ties the earlier."""
    if budget >= count_triplets(opened):
        return
    updates = {path: layer.to_plain_lora() for path, layer in opened.layers.items() if layer.rank}
    spectra = {path: singular_triplets(update)[1].cpu() for path, update in updates.items()}
    for path, rank in ranks_within(spectra, budget).items():
        layer = opened.layers[path]
        if rank:
            layer.set_update(truncate_update(updates[path], rank)[0])
        else:
            layer.keep_triplets(torch.zeros_like(layer.rank_mask))


@torch.no_grad()
def find_energy(opened: OpenedModel) -> float:
    """The sum of ||Delta W||_F^2 over the matrices."""
    return float(
        sum(
            singular_triplets(layer.to_plain_lora())[1].square().sum()
            for layer in opened.layers.values()
            if layer.rank
        )
    )


def _describe(
    opened: OpenedModel, report: RankReport, energy: float, metrics: dict[str, Any]
) -> dict[str, Any]:
    layers = opened.layers
    return {
        "budget": count_triplets(opened),
        "ranks": ranks_now(opened, report),
        "parameters": sum(
            layer.rank * (layer.in_features + layer.out_features) for layer in layers.values()
        ),
        "kept_energy": find_energy(opened) / energy if energy else 1.0,
        "metrics": metrics,
    }
