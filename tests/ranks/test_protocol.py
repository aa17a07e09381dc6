import inspect
import json
from dataclasses import asdict

import pytest

from qarank.ranks.allocator import RankAllocator
from qarank.ranks.importance import ImportanceTracker
from qarank.ranks.norm import NormScorer
from qarank.ranks.pattern import PatternAllocator
from qarank.ranks.protocol import AllocationRound, Allocator, TripletScorer
from qarank.ranks.random_scores import RandomScorer

SCORERS = [(TripletScorer, kind) for kind in (ImportanceTracker, NormScorer, RandomScorer)]
ALLOCATORS = [(Allocator, kind) for kind in (RankAllocator, PatternAllocator)]


@pytest.mark.parametrize(("protocol", "kind"), [*SCORERS, *ALLOCATORS])
def test_every_method_of_a_protocol_is_there_with_its_arguments(protocol: type, kind: type) -> None:
    wanted = {
        name: value
        for name, value in vars(protocol).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }
    assert {"state_dict", "load_state_dict"} < set(wanted)
    for name, method in wanted.items():
        assert inspect.signature(getattr(kind, name)) == inspect.signature(method), name


@pytest.mark.parametrize("kind", [kind for _, kind in SCORERS])
def test_a_scorer_says_whether_it_is_ready(kind: type) -> None:
    assert hasattr(kind, "is_ready")


def test_a_round_is_a_line_of_json() -> None:
    told = AllocationRound(
        global_step=0, budget=3, threshold=None, ranks={"a": 3}, revived=0, mask_hash="0" * 16
    )
    assert AllocationRound(**json.loads(json.dumps(asdict(told)))) == told


def test_a_round_of_an_older_version_is_read_without_its_margin() -> None:
    line = {"global_step": 4, "budget": 3, "threshold": 0.5, "ranks": {"a": 3}, "revived": 0}
    assert AllocationRound(**line, mask_hash="0" * 16).margin is None
