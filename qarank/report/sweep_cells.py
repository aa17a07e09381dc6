"""Rows of a sweep's tables for people: texts by column, the same in the terminal and to paste."""

from collections.abc import Callable, Iterator

from qarank.report.cells import (
    as_published,
    clock,
    count,
    gib,
    interval,
    p_value,
    pair,
    signed,
    spread,
)
from qarank.report.study import Comparison, Group, Row

FIGURES = {"exact": "EM", "f1": "F1"}  # key -> its name for people
GROUP_CELLS = (  # keys of describe_group, in the order of the columns
    *("group", "method", "n", "EM", "F1", "published", "difference", "trained", "budget"),
    *("ranks", "time", "GiB", "note"),
)
COMPARISON_CELLS = (  # keys of describe_comparison
    *("first", "second", "figure", "difference", "95 % interval", "p"),
    *("budget", "seeds", "questions"),
)
MAX_REASON = 160  # characters
WORDS = ("group", "method", "first", "second", "figure", "note")  # columns that hold no numbers
NOTE = (
    "n: seeds; mean ± sample standard deviation over them, per cent; trained:"
    " parameters, head included; budget: parameters of the triplets kept; ranks: triplets kept;"
    " time: in optimizer steps; GiB: the most memory a process took"
)
DIFFERENCE = "difference: our EM / F1 less the published, whose source the note gives"
COMPARED = (
    "first less second, per cent, on the seeds and questions that both have; interval and two-sided"
    " p: under other questions and, with more than one seed, other seeds; each p for itself,"
    " however many there are"
)


def describe_group(group: Group) -> dict[str, str]:
    """Its figures, those of others beside them as EM / F1, and what they cost."""
    done, asked, published = len(group.seeds), group.num_runs, group.published
    return {
        "group": group.name,
        "method": group.method,
        "n": str(done) if done == asked else f"{done} of {asked}",
        "EM": spread(group.figures.get("exact")),
        "F1": spread(group.figures.get("f1")),
        "published": pair(*(as_published(getattr(published, key, None)) for key in FIGURES)),
        "difference": pair(*(signed(group.differences.get(key)) for key in FIGURES)),
        "trained": count(group.trained_parameters),
        "budget": count(group.budget),
        "ranks": _mean_ranks(group.final_ranks),
        "time": clock(group.train_s),
        "GiB": gib(group.peak_bytes),
        "note": published.source if published is not None else "",
    }


def describe_unfinished(row: Row) -> dict[str, str]:
    """A run without figures in the same columns: how far it came, and why no further, in short."""
    note = _shorten(row.reason or "")
    return {"group": row.point, "method": row.method, "n": row.state, "note": note}


def describe_comparison(comparison: Comparison) -> Iterator[dict[str, str]]:
    """How two methods differ in each figure."""
    for key, difference in comparison.figures.items():
        yield {
            "first": comparison.first,
            "second": comparison.second,
            "figure": FIGURES[key],
            "difference": signed(difference.value),
            "95 % interval": interval(difference),
            "p": p_value(difference),
            "budget": equal_budget(comparison),
            "seeds": count(len(comparison.seeds)),
            "questions": count(comparison.num_questions),
        }


def equal_budget(comparison: Comparison, show: Callable[[float | None], str] = count) -> str:
    """331,776, or 288 triplets where only those are equal."""
    unit = "" if comparison.budget_unit == "parameters" else f" {comparison.budget_unit}"
    return show(comparison.budget) + unit


def _shorten(reason: str) -> str:
    """One that names many examples would fill a screen; the tables for programs have all of it."""
    return reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 4].rstrip()} ..."


def _mean_ranks(value: float | None) -> str:
    """288, or with a digit more where seeds differ: 254.7."""
    if value is None or value == round(value):
        return count(value)
    return f"{value:,.1f}"
