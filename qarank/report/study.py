"""What a sweep came to, in plain values: what tables, plots and the page are made from.

Words: a *row* is one run; a *group* is the runs whose names are
the same but for the seed, and which differ in nothing else. EM and F1 are per
cent, times seconds, memory bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

BudgetUnit = Literal["parameters", "triplets"]
State = Literal["waiting", "running", "finished", "failed", "stopped"]


@dataclass(frozen=True)
class Published:
    """Figures that others have published for the same settings.

    Attributes:
        source: where they stand.
        exact: EM.
        f1: F1.
    """

    source: str
    exact: float | None = None
    f1: float | None = None


@dataclass(frozen=True)
class Row:
    """One run of a sweep.

    Attributes:
        point: its name, and its folder's in the sweep's.
        group: its name without the seed.
        method: adapter and allocator in a word: `frd`, `svd`, `svd + adalora`, `none`, `full`.
        seed: of the run.
        learning_rate: peak.
        state: how far it came.
        reason: why it failed or was stopped, one line; None where it was not.
        was_finished: an earlier call had run it.
        metrics: figures of its best checkpoint by the metric's keys; empty before the end, as are
            all that follow.
        exact: EM.
        f1: F1.
        trained_parameters: all that trained, head included.
        final_parameters: of the kept triplets and the head.
        budget: parameters of the kept triplets alone: what methods are compared at.
        start_budget: triplets, or parameters, that the allocator starts with; None without one.
        ranks: matrix -> triplets kept.
        train_s: spent in optimizer steps.
        total_s: of all its sessions, loading and evaluations included.
        features_per_s: in optimizer steps.
        peak_bytes: the most memory a process of the run took.
    """

    point: str
    group: str
    method: str
    seed: int
    learning_rate: float
    state: State = "waiting"
    reason: str | None = None
    was_finished: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict)
    exact: float | None = None
    f1: float | None = None
    trained_parameters: int | None = None
    final_parameters: int | None = None
    budget: int | None = None
    start_budget: int | None = None
    ranks: Mapping[str, int] = field(default_factory=dict)
    train_s: float | None = None
    total_s: float | None = None
    features_per_s: float | None = None
    peak_bytes: int | None = None

    @property
    def final_ranks(self) -> int | None:
        """Triplets kept in all; None where nothing is adapted."""
        return sum(self.ranks.values()) if self.ranks else None

    def to_dict(self) -> dict[str, Any]:
        """For summary.json; the figures that people sort by stand beside `metrics` too."""
        metrics = self.metrics
        return {
            **asdict(self),
            "final_ranks": self.final_ranks,
            "HasAns_f1": metrics.get("HasAns_f1"),
            "NoAns_exact": metrics.get("NoAns_exact"),
        }


@dataclass(frozen=True)
class Study:
    """A sweep as far as it came.

    Attributes:
        name: of the sweep.
        rows: in the recipe's order, every point of it.
        published: group -> published figures, where the recipe carries some.
        recipe: the sweep's recipe, YAML.
        data: part -> what it is and how much, as run.json has it.
        versions: of the libraries, of a run that is finished; empty before one is.
        hardware: it ran on.
        curves: point -> lines of metrics.jsonl: global_step, train/loss, eval/f1, ...
        rounds: point -> lines of ranks.jsonl: global_step, budget, threshold, ranks, revived, ...
        links: point -> its folder, relative to the sweep's.
    """

    name: str
    rows: Sequence[Row]
    published: Mapping[str, Published] = field(default_factory=dict)
    recipe: str = ""
    data: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    hardware: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    rounds: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def groups(self) -> dict[str, list[Row]]:
        """Group -> its finished rows, groups in the order they first stand in."""
        found: dict[str, list[Row]] = {row.group: [] for row in self.rows}
        for row in self.rows:
            if row.state == "finished":
                found[row.group].append(row)
        return found


@dataclass(frozen=True)
class Spread:
    """A figure over the seeds of a group.

    Attributes:
        mean: of the seeds.
        sd: sample standard deviation (n - 1); None with one seed.
        values: of each seed, in the rows' order.
    """

    mean: float
    sd: float | None
    values: tuple[float, ...]


@dataclass(frozen=True)
class Group:
    """The finished runs whose names are the same but for the seed.

    Attributes:
        name: of the group.
        method: see `Row`.
        seeds: of the finished runs.
        num_runs: all that the recipe asks for, finished or not.
        figures: key -> spread, per cent: exact, f1, HasAns_f1, NoAns_exact and what else all have.
        trained_parameters: mean.
        final_parameters: mean.
        budget: mean, parameters of the kept triplets.
        final_ranks: mean.
        train_s: mean.
        peak_bytes: the largest.
        published: figures of others.
        differences: exact, f1 -> our mean less the published figure.
    """

    name: str
    method: str
    seeds: tuple[int, ...]
    num_runs: int
    figures: Mapping[str, Spread]
    trained_parameters: float | None
    final_parameters: float | None
    budget: float | None
    final_ranks: float | None
    train_s: float | None
    peak_bytes: int | None
    published: Published | None = None
    differences: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """What two groups differ by in a figure, per cent.

    Attributes:
        value: the first's mean less the second's.
        interval: its 95 % interval.
        p_value: two-sided.
    """

    value: float
    interval: tuple[float, float]
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """Two methods at the same budget on the same questions.

    Attributes:
        first: group.
        second: group.
        budget: mean of both.
        budget_unit: of which it is equal; parameters of the kept triplets, or triplets alone, as
            published budgets are counted.
        seeds: that both have; they are paired.
        num_questions: that all runs answer.
        figures: exact, f1 -> the difference.
    """

    first: str
    second: str
    budget: float
    seeds: tuple[int, ...]
    num_questions: int
    figures: Mapping[str, Difference]
    budget_unit: BudgetUnit = "parameters"


@dataclass(frozen=True)
class Results:
    """A study with what is worked out from it.

    Attributes:
        study: the runs.
        groups: with at least one finished run, in the recipe's order.
        comparisons: of methods at equal budgets.
    """

    study: Study
    groups: Sequence[Group]
    comparisons: Sequence[Comparison] = ()

    def to_dict(self) -> dict[str, Any]:
        """summary.json."""
        return {
            "name": self.study.name,
            "points": [row.to_dict() for row in self.study.rows],
            "groups": [asdict(group) for group in self.groups],
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
        }
