import dataclasses
from typing import Any

import numpy as np
import pytest

from qarank.report.comparisons import compare_groups, list_pairs
from qarank.report.groups import summarise_groups
from qarank.report.seeded_bootstrap import compare_seeded
from qarank.report.study import Row, Study

Scores = dict[str, dict[str, tuple[float, float]]]
QUESTIONS = [f"q{number}" for number in range(80)]


def row(group: str, seed: int, *, method: str, budget: int | None, state: Any = "finished") -> Row:
    return Row(
        f"{group}_{seed}", group, method, seed, 1e-3, state=state, exact=1.0, f1=1.0, budget=budget
    )


def study_of(*rows: Row) -> Study:
    return Study("s", rows)


def draw_scores(study: Study) -> Scores:
    generator = np.random.default_rng(0)
    return {
        row.point: {
            key: (float(hit), float(max(hit, part)))
            for key, hit, part in zip(
                QUESTIONS,
                generator.integers(0, 2, len(QUESTIONS)),
                generator.choice([0.0, 0.5, 0.8], len(QUESTIONS)),
                strict=True,
            )
        }
        for row in study.rows
    }


BOTH = study_of(
    *(row("lora", seed, method="frd", budget=1000) for seed in (0, 1, 2)),
    *(row("adalora", seed, method="svd + adalora", budget=1004) for seed in (0, 1, 2)),
)


def test_two_methods_are_compared_seed_by_seed_and_question_by_question() -> None:
    scores = draw_scores(BOTH)
    (found,) = compare_groups(BOTH, summarise_groups(BOTH), scores, resamples=300)
    assert (found.first, found.second, found.budget) == ("lora", "adalora", 1002)
    assert (found.seeds, found.num_questions) == ((0, 1, 2), 80)
    for column, figure in enumerate(("exact", "f1")):
        one, other = (
            np.array(
                [[scores[f"{group}_{seed}"][key][column] for key in QUESTIONS] for seed in range(3)]
            )
            for group in ("lora", "adalora")
        )
        wanted = compare_seeded(one, other, resamples=300, seed=0)
        assert found.figures[figure].value == pytest.approx(100 * (one.mean() - other.mean()))
        assert found.figures[figure].p_value == wanted.p_value
        assert found.figures[figure].interval == pytest.approx(
            [100 * end for end in wanted.interval]
        )


def test_only_seeds_and_questions_of_both_count_and_seeds_are_paired_by_number() -> None:
    study = study_of(
        *(row("lora", seed, method="frd", budget=1000) for seed in (5, 3, 9)),
        *(row("adalora", seed, method="svd", budget=1000) for seed in (9, 5)),
        row("adalora", 3, method="svd", budget=1000, state="failed"),
        row("adalora", 4, method="svd", budget=1000),
    )
    scores = draw_scores(study)
    del scores["adalora_9"]["q7"]
    # Seeds that only one has: nor do their questions count.
    scores["lora_3"] = scores["adalora_4"] = {"q0": (1.0, 1.0)}
    del scores["adalora_3"]
    (found,) = compare_groups(study, summarise_groups(study), scores, resamples=50)
    assert (found.seeds, found.num_questions) == ((5, 9), 79)
    kept = [key for key in QUESTIONS if key != "q7"]
    means = {
        point: np.mean([scores[point][key][0] for key in kept])
        for point in ("lora_5", "lora_9", "adalora_5", "adalora_9")
    }
    ours, theirs = (
        means["lora_5"] + means["lora_9"],
        means["adalora_5"] + means["adalora_9"],
    )
    assert found.figures["exact"].value == pytest.approx(50 * (ours - theirs))


@pytest.mark.parametrize(
    ("budgets", "pairs"),
    [
        ({"a": 1000, "b": 1010, "c": 1010}, ["a-b", "a-c"]),  # b and c are of one method
        ({"a": 1000, "b": 1011, "c": 990}, ["a-c"]),
        ({"a": None, "b": 1000, "c": None}, []),
        ({"a": 1000, "b": 2000, "c": 3000}, []),
    ],
)
def test_every_pair_of_methods_at_one_budget_comes_once_in_order(
    budgets: dict[str, int | None], pairs: list[str]
) -> None:
    rows = [
        row(name, 0, method="frd" if name == "a" else "svd", budget=budget)
        for name, budget in budgets.items()
    ]
    found = list_pairs(summarise_groups(study_of(*rows)))
    assert [f"{pair.first.name}-{pair.second.name}" for pair in found] == pairs


def test_where_parameters_differ_equal_triplets_are_a_budget_too() -> None:
    ranks = {"query": 3, "dense": 5}
    lora = dataclasses.replace(row("lora", 0, method="frd", budget=1000), ranks=ranks)
    more = row("adalora", 0, method="svd + adalora", budget=1300)
    adalora = dataclasses.replace(more, ranks={"query": 1, "dense": 7})
    (pair,) = list_pairs(summarise_groups(study_of(lora, adalora)))
    assert (pair.budget, pair.budget_unit) == (8, "triplets")
    fewer = dataclasses.replace(more, ranks={"query": 1, "dense": 6})
    assert list(list_pairs(summarise_groups(study_of(lora, fewer)))) == []
    same = dataclasses.replace(adalora, budget=1004)
    (pair,) = list_pairs(summarise_groups(study_of(lora, same)))
    assert (pair.budget, pair.budget_unit) == (1002, "parameters")


def test_where_nothing_is_shared_there_is_no_comparison() -> None:
    groups = summarise_groups(BOTH)
    scores = draw_scores(BOTH)
    assert compare_groups(BOTH, groups, {}) == []
    only_lora = {point: found for point, found in scores.items() if point.startswith("lora")}
    assert compare_groups(BOTH, groups, only_lora) == []
    moved = {
        point: {f"other {key}": score for key, score in found.items()}
        if point.startswith("lora")
        else found
        for point, found in scores.items()
    }
    assert compare_groups(BOTH, groups, moved) == []


def test_changing_places_changes_the_sign_alone() -> None:
    scores = draw_scores(BOTH)
    swapped = dataclasses.replace(BOTH, rows=[*BOTH.rows[3:], *BOTH.rows[:3]])
    (here,) = compare_groups(BOTH, summarise_groups(BOTH), scores, resamples=100)
    (there,) = compare_groups(swapped, summarise_groups(swapped), scores, resamples=100)
    assert (there.first, there.second) == (here.second, here.first)
    for figure in ("exact", "f1"):
        assert there.figures[figure].value == pytest.approx(-here.figures[figure].value)
        assert there.figures[figure].p_value == here.figures[figure].p_value
