import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qarank.report.groups import spread, summarise_groups
from qarank.report.study import Published, Row, Study

SCORES = st.floats(0, 100)


def row(group: str, seed: int, **values: Any) -> Row:
    known = {"state": "finished", "exact": 70.0, "f1": 75.0, "metrics": {}}
    return Row(f"{group}_seed{seed}", group, "frd", seed, 1e-3, **{**known, **values})


@given(st.lists(SCORES, min_size=1, max_size=6))
@settings(deadline=None)
def test_mean_and_sd_are_those_of_the_textbook(values: list[float]) -> None:
    found = spread(values)
    mean = sum(values) / len(values)
    assert found.mean == pytest.approx(mean)
    assert found.values == tuple(values)
    if len(values) == 1:
        assert found.sd is None
    else:
        squares = sum((value - mean) ** 2 for value in values)
        assert found.sd == pytest.approx(math.sqrt(squares / (len(values) - 1)), abs=1e-6)


def test_three_seeds_worked_out_by_hand() -> None:
    rows = [row("lora", seed, exact=value) for seed, value in ((0, 70.0), (1, 72.0), (2, 77.0))]
    (group,) = summarise_groups(Study("s", rows))
    assert group.figures["exact"].mean == pytest.approx(73.0)
    assert group.figures["exact"].sd == pytest.approx(math.sqrt(13))
    assert (group.name, group.method, group.seeds, group.num_runs) == ("lora", "frd", (0, 1, 2), 3)


def test_only_finished_runs_count_and_groups_keep_their_order() -> None:
    rows = [
        row("b", 0, state="failed", exact=None, f1=None),
        row("a", 0),
        row("c", 0, state="waiting"),
        row("b", 1, exact=60.0),
    ]
    groups = summarise_groups(Study("s", rows))
    assert [(group.name, group.seeds, group.num_runs) for group in groups] == [
        ("b", (1,), 2),
        ("a", (0,), 1),
    ]
    assert groups[0].figures["exact"] == spread([60.0])


def test_figures_are_the_numbers_that_every_run_has() -> None:
    both = {"exact": 70.0, "f1": 75.0, "total": 9, "tuned": True, "word": "x", "none": None}
    first = {**both, "ci95": {"f1": [1, 2]}, "HasAns_f1": 80.0}
    second = {**both, "HasAns_f1": None}
    (group,) = summarise_groups(
        Study("s", [row("a", 0, metrics=first), row("a", 1, metrics=second)])
    )
    assert list(group.figures) == ["exact", "f1", "total"]


def test_em_of_v1_stands_under_the_name_that_v2_gives_it() -> None:
    metrics = {"exact_match": 70.0, "f1": 75.0}
    (group,) = summarise_groups(Study("s", [row("a", 0, metrics=metrics)]))
    assert list(group.figures) == ["exact", "f1"]


def test_runs_without_an_evaluation_have_no_figures_and_no_differences() -> None:
    study = Study("s", [row("a", 0, exact=None, f1=None)], {"a": Published("p", 80.0, 85.0)})
    (group,) = summarise_groups(study)
    assert (dict(group.figures), dict(group.differences)) == ({}, {})


def test_costs_are_means_and_memory_is_the_most() -> None:
    costs = [
        {"budget": 100, "final_parameters": 110, "ranks": {"q": 3}, "train_s": 10.0},
        {"budget": 104, "final_parameters": 114, "ranks": {"q": 4}, "train_s": 13.0},
    ]
    first, second = (
        row("a", seed, trained_parameters=200, peak_bytes=(5 - seed) * 10, **cost)
        for seed, cost in enumerate(costs)
    )
    (group,) = summarise_groups(Study("s", [first, second]))
    assert (group.budget, group.final_parameters, group.final_ranks) == (102, 112, 3.5)
    assert (group.trained_parameters, group.train_s, group.peak_bytes) == (200, 11.5, 50)
    bare = dataclasses.replace(second, budget=None, peak_bytes=None)
    (group,) = summarise_groups(Study("s", [first, bare]))
    assert (group.budget, group.peak_bytes) == (None, 50)


def test_differences_are_ours_less_theirs_where_both_have_the_figure() -> None:
    published = {"a": Published("paper", exact=71.5), "b": Published("paper", 69.0, 76.0)}
    rows = [row("a", 0), row("b", 0), row("b", 1, exact=72.0), row("c", 0)]
    first, second, third = summarise_groups(Study("s", rows, published))
    assert first.differences == {"exact": -1.5}
    assert second.differences == {"exact": 2.0, "f1": -1.0}
    assert (second.published, third.published) == (published["b"], None)
    assert third.differences == {}
