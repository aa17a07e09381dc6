"""Methods of a study against each other: at the same budget, seeds and questions."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from qarank.report.seeded_bootstrap import compare_seeded
from qarank.report.study import BudgetUnit, Comparison, Difference, Group, Study
from qarank.squad.resampling import Floats

SAME_BUDGET = 0.01  # budgets further apart, as a share of the larger, are not equal
RESAMPLES = 10_000
SEED = 0  # the same runs give the same interval wherever they are compared
FIGURES = ("exact", "f1")

QuestionScores = Mapping[str, tuple[float, float]]


class Pair(NamedTuple):
    """Two groups that may be compared.

    Attributes:
        first: group.
        second: group.
        budget: mean of both.
        budget_unit: of which it is equal.
    """

    first: Group
    second: Group
    budget: float
    budget_unit: BudgetUnit


def compare_groups(
    study: Study,
    groups: Sequence[Group],
    scores: Mapping[str, QuestionScores],
    *,
    resamples: int = RESAMPLES,
) -> list[Comparison]:
    """Every two groups of different methods and equal budgets, once, in the groups' order.

    Args:
        study: the runs.
        groups: of it, as summarise_groups gives them.
        scores: point -> question id -> exact match and F1, each 0..1; of points without answers
            nothing. Two groups are compared on the seeds that both have scores of, and on the
            questions that all those runs answer; where there are none, not at all.
        resamples: draws for each interval, and for each test.
    """
    runs = {
        group.name: {row.seed: scores[row.point] for row in rows if row.point in scores}
        for group, rows in ((group, study.groups[group.name]) for group in groups)
    }
    compared = (
        _compare(pair, runs[pair.first.name], runs[pair.second.name], resamples)
        for pair in list_pairs(groups)
    )
    return [comparison for comparison in compared if comparison is not None]


def list_pairs(groups: Sequence[Group]) -> Iterator[Pair]:
    """The pairs that may be compared, with the budget that is equal: parameters, else triplets."""
    for first, second in itertools.combinations(groups, 2):
        if first.method == second.method:
            continue
        shared = find_shared(first.budget, second.budget)
        if shared is not None:
            yield Pair(first, second, shared, "parameters")
            continue
        shared = find_shared(first.final_ranks, second.final_ranks)
        if shared is not None:
            yield Pair(first, second, shared, "triplets")


def find_shared(one: float | None, other: float | None) -> float | None:
    """The mean of two budgets that are equal; None where they are not, or one is none at all."""
    if one is None or other is None:
        return None  # nothing is adapted: there is no budget to be equal
    return (one + other) / 2 if abs(one - other) <= SAME_BUDGET * max(one, other) else None


def _compare(
    pair: Pair,
    ours: Mapping[int, QuestionScores],
    theirs: Mapping[int, QuestionScores],
    resamples: int,
) -> Comparison | None:
    """Two groups, their runs by seed; None where they share no seed or no question."""
    seeds = [seed for seed in ours if seed in theirs]
    if not seeds:
        return None
    paired = [*(ours[seed] for seed in seeds), *(theirs[seed] for seed in seeds)]
    questions = [key for key in paired[0] if all(key in run for run in paired)]
    if not questions:
        return None
    one, other = (_to_array([runs[seed] for seed in seeds], questions) for runs in (ours, theirs))
    return Comparison(
        first=pair.first.name,
        second=pair.second.name,
        budget=pair.budget,
        budget_unit=pair.budget_unit,
        seeds=tuple(seeds),
        num_questions=len(questions),
        figures={
            figure: _differ(one[:, :, column], other[:, :, column], resamples)
            for column, figure in enumerate(FIGURES)
        },
    )


def _to_array(runs: Sequence[QuestionScores], questions: Sequence[str]) -> Floats:
    """(seeds, n, 2)."""
    return np.array([[run[key] for key in questions] for run in runs], dtype=np.float64)


def _differ(one: Floats, other: Floats, resamples: int) -> Difference:
    found = compare_seeded(one, other, resamples=resamples, seed=SEED)
    low, high = found.interval
    return Difference(100.0 * found.difference, (100.0 * low, 100.0 * high), found.p_value)
