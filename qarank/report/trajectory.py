"""How a run came to its ranks: figures of each round, and means by kind of matrix."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Row = TypeVar("Row")


@dataclass(frozen=True)
class RoundFigures:
    """One round.

    Attributes:
        global_step: the step it came after; 0 before training.
        budget: what the kept might cost, in the run's unit.
        triplets: kept, over all matrices.
        parameters: of these, scalars E not counted.
        threshold: the largest score cut, divided by its triplet's cost; None where nothing was cut.
        margin: the smallest such score kept, less the threshold; None where nothing was cut or
            kept, or the run is of an older version.
        revived: triplets kept now that the round before had cut.
        changed: matrices whose rank is another than before the round.
        ranks: path -> triplets kept.
    """

    global_step: int
    budget: int
    triplets: int
    parameters: int
    threshold: float | None
    margin: float | None
    revived: int
    changed: int
    ranks: Mapping[str, int]


def describe_rounds(
    lines: Iterable[Mapping[str, Any]], costs: Mapping[str, int], *, r: int
) -> list[RoundFigures]:
    """The figures of each line of ranks.jsonl.

    Args:
        lines: the earliest first.
        costs: path -> parameters of one triplet, of every matrix.
        r: triplets of each matrix before the first round.

    Raises:
        KeyError: a line names another matrix.
    """
    before: Mapping[str, int] = dict.fromkeys(costs, r)
    rounds = []
    for line in lines:
        ranks = line["ranks"]
        found = RoundFigures(
            global_step=line["global_step"],
            budget=line["budget"],
            triplets=sum(ranks.values()),
            parameters=sum(rank * costs[path] for path, rank in ranks.items()),
            threshold=line.get("threshold"),
            margin=line.get("margin"),
            revived=line["revived"],
            changed=sum(rank != before[path] for path, rank in ranks.items()),
            ranks=ranks,
        )
        rounds.append(found)
        before = ranks
    return rounds


def thin(rows: Sequence[Row], most: int) -> list[Row]:
    """At most so many rows, two or more, evenly spaced; the first and the last stay."""
    if len(rows) <= most:
        return list(rows)
    last = len(rows) - 1
    return [rows[round(place * last / (most - 1))] for place in range(most)]


def mean_by_kind(ranks: Mapping[str, int], kinds: Mapping[str, str]) -> dict[str, float]:
    """Kind -> mean rank of its matrices, kinds in the order met.

    Args:
        ranks: path -> triplets kept.
        kinds: path -> kind.
    """
    groups: dict[str, list[int]] = {}
    for path, kind in kinds.items():
        groups.setdefault(kind, []).append(ranks[path])
    return {kind: sum(group) / len(group) for kind, group in groups.items()}
