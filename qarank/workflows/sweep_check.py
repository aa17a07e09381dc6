"""Looks at every point of a sweep before the first one trains: can it run?

Points that differ in neither data nor model share their features, which are read once for all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from transformers import PreTrainedTokenizerBase

from qarank.artifacts.run_dir import RunDir, check_claimable
from qarank.config.schema import Recipe
from qarank.config.sweep_points import SweepPoint
from qarank.errors import QarankError, RunDirError
from qarank.workflows.budget import Ranks
from qarank.workflows.fingerprint import fingerprint_run
from qarank.workflows.preflight import Plan
from qarank.workflows.prepare import (
    Parts,
    Prepared,
    describe_parts,
    load_parts,
    naming_point,
    prepare_run,
)
from qarank.workflows.reach import check_reach
from qarank.workflows.train import run_path


@dataclass(frozen=True)
class CheckedPoint:
    """A point, and what its run would be.

    Attributes:
        point: of the sweep.
        problem: why it cannot run; None where it can, and then the rest is there.
        plan: the run's numbers.
        data: part -> what it is and how much.
        fingerprints: as `fingerprint_run` gives them.
        estimate: what was asked for besides.
    """

    point: SweepPoint
    problem: QarankError | None = None
    plan: Plan | None = None
    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    estimate: dict[str, float | int] | None = None

    @property
    def run_dir(self) -> RunDir:
        """Where its run is, or will be."""
        return RunDir(run_path(self.point.recipe))


class PartsOnce:
    """Loads data as `load_parts` does, but not anew what it loaded last."""

    def __init__(self) -> None:
        self._latest: tuple[str, Parts] | None = None

    def __call__(
        self, recipe: Recipe, tokenizer: PreTrainedTokenizerBase, *, keep_faults: bool = False
    ) -> Parts:
        """See `load_parts`."""
        key = data_key(recipe)
        if self._latest is None or self._latest[0] != key:
            self._latest = None  # freed before the next ones are read
            self._latest = key, load_parts(recipe, tokenizer, keep_faults=keep_faults)
        return self._latest[1]


def check_points(
    points: Sequence[SweepPoint],
    *,
    estimate: Callable[[Prepared], dict[str, float | int]] | None = None,
) -> list[CheckedPoint]:
    """Each point, in order; features that are missing are built on the way.

    Args:
        points: of one sweep.
        estimate: asked for each point that can run.
    """
    load, found = PartsOnce(), {}
    for point in sorted(points, key=lambda point: data_key(point.recipe)):
        found[point.name] = _check_point(point, load, estimate)
    return [found[point.name] for point in points]


def require_one(checked: Sequence[CheckedPoint]) -> None:
    """Raise the first point's problem where no point can run."""
    first = checked[0]
    if first.problem is not None and all(each.problem is not None for each in checked):
        with naming_point(first.point.name):
            raise first.problem


def _read_noted_ranks(run_dir: RunDir) -> Ranks | None:
    """Those that a run of the point was given, as `plan_pattern` takes them."""
    try:
        ranks: Ranks | None = run_dir.read_run().get("plan", {}).get("pattern")
    except RunDirError:
        return None  # whether it matters is for whoever judges the run
    return ranks


def data_key(recipe: Recipe) -> str:
    """The same for recipes whose features are the same."""
    data, model = recipe.data, recipe.model
    is_drawn = data.max_train_examples is not None or data.threshold_share > 0
    seed = recipe.seed if is_drawn else None
    return f"{data.model_dump_json()} {model.name_or_path} {model.revision} {seed}"


def _check_point(
    point: SweepPoint,
    load: PartsOnce,
    estimate: Callable[[Prepared], dict[str, float | int]] | None,
) -> CheckedPoint:
    try:
        check_claimable(run_path(point.recipe), overwrite=True)  # not somebody else's
        check_reach(point.recipe)
        noted = _read_noted_ranks(RunDir(run_path(point.recipe)))
        prepared = prepare_run(point.recipe, load=load, noted_ranks=noted)
        guess = None if estimate is None else estimate(prepared)
    except QarankError as error:
        return CheckedPoint(point, problem=error)
    return CheckedPoint(
        point,
        plan=prepared.plan,
        data=describe_parts(prepared),
        fingerprints=fingerprint_run(prepared),
        estimate=guess,
    )
