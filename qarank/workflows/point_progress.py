"""How far a run is, read from its folder while another process writes there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qarank.artifacts.json_lines import read_latest_lines
from qarank.artifacts.run_dir import RunDir
from qarank.report.study import State


@dataclass(frozen=True)
class PointProgress:
    """A point of a sweep, as one looks at it while it runs.

    Attributes:
        name: of the point.
        state: how far it came.
        note: why it failed, or "".
        step: the latest that is logged; 0 before.
        total_steps: T; None while it is not known.
        loss: mean training loss of the latest line.
        exact: EM of the latest evaluation, per cent.
        f1: F1 of the same.
        budget: of the latest round; None without an allocator.
        left_s: what the rest will take; None while nothing says.
    """

    name: str
    state: State
    note: str = ""
    step: int = 0
    total_steps: int | None = None
    loss: float | None = None
    exact: float | None = None
    f1: float | None = None
    budget: int | None = None
    left_s: float | None = None


def read_progress(name: str, run_dir: RunDir, state: State, *, note: str = "") -> PointProgress:
    """Where a run stands that is running or has ended.

    Args:
        name: of the point.
        run_dir: its folder, which need not be there yet.
        state: as whoever runs it knows.
        note: why it failed.
    """
    run = run_dir.read_run()
    lines = read_latest_lines(run_dir.metrics_path)
    plan = run.get("plan", {})
    step = max((line["global_step"] for line in lines), default=0)
    return PointProgress(
        name=name,
        state=state,
        note=note,
        step=step,
        total_steps=plan.get("total_steps"),
        loss=_latest(lines, "train/loss"),
        exact=_latest(lines, "eval/exact", "eval/exact_match"),
        f1=_latest(lines, "eval/f1"),
        budget=_latest_budget(run_dir, plan),
        left_s=_estimate_left(run, lines, step) if state == "running" else None,
    )


def _latest(lines: Sequence[Mapping[str, Any]], *keys: str) -> float | None:
    for line in reversed(lines):
        for key in keys:
            if line.get(key) is not None:
                return float(line[key])
    return None


def _latest_budget(run_dir: RunDir, plan: Mapping[str, Any]) -> int | None:
    """Of the latest round, or the one it starts with; None without rounds."""
    schedule = plan.get("schedule")
    if not schedule:
        return None
    rounds = read_latest_lines(run_dir.ranks_path)
    return int(rounds[-1]["budget"] if rounds else schedule["start_budget"])


def _estimate_left(
    run: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], step: int
) -> float | None:
    """Seconds: as rehearsed before the first line, from then on at the latest line's speed."""
    estimate, total = run.get("estimate"), run.get("plan", {}).get("total_steps")
    if estimate is None or total is None:
        return None
    step_s = _latest(lines, "train/step_s")
    if step_s is None:
        return float(estimate["total_s"])
    left = (total - step) / total
    return float((total - step) * step_s + left * estimate["evaluation_s"])
