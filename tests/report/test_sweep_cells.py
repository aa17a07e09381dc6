import dataclasses

import pytest

from qarank.report.groups import summarise_groups
from qarank.report.study import Comparison, Difference, Group, Published, Study
from qarank.report.sweep_cells import (
    COMPARISON_CELLS,
    GROUP_CELLS,
    MAX_REASON,
    describe_comparison,
    describe_group,
    describe_unfinished,
    equal_budget,
)
from tests.report.studies import make_row, make_unfinished


def group_of(*exacts: float, published: Published | None = None, **changes: object) -> Group:
    rows = [
        make_row("lora", "frd", seed, exact=exact, f1=exact + 3.5, **changes)
        for seed, exact in enumerate(exacts)
    ]
    (group,) = summarise_groups(Study("s", rows, {"lora": published} if published else {}))
    return group


def test_figures_stand_with_their_spread_over_seeds() -> None:
    cells = describe_group(group_of(70.65, 71.85, 73.05))
    assert (cells["n"], cells["EM"], cells["F1"]) == ("3", "71.85 ± 1.20", "75.35 ± 1.20")
    assert (cells["published"], cells["difference"], cells["note"]) == ("", "", "")


def test_one_seed_has_no_spread_and_missing_seeds_are_told() -> None:
    assert describe_group(group_of(70.0))["EM"] == "70.00"
    partial = dataclasses.replace(group_of(70.0, 72.0), num_runs=3)
    assert describe_group(partial)["n"] == "2 of 3"


@pytest.mark.parametrize(
    ("published", "shown", "difference"),
    [
        (Published("table 2", 86.0, 88.78), "86.0 / 88.78", "−1.00 / −0.28"),
        (Published("table 2", exact=84.2), "84.2 / –", "+0.80 / –"),
        (Published("table 2", f1=88.0), "– / 88.0", "– / +0.50"),
    ],
)
def test_published_figures_keep_their_digits_and_differences_their_sign(
    published: Published, shown: str, difference: str
) -> None:
    cells = describe_group(group_of(85.0, published=published))
    assert (cells["published"], cells["difference"]) == (shown, difference)
    assert cells["note"] == "table 2"


def test_ranks_have_a_digit_more_where_seeds_differ() -> None:
    group = group_of(70.0)
    shown = [
        describe_group(dataclasses.replace(group, final_ranks=ranks))["ranks"]
        for ranks in (288.0, 254.6667, 1000.5, None)
    ]
    assert shown == ["288", "254.7", "1,000.5", ""]


def test_a_run_without_figures_says_how_far_it_came_and_why() -> None:
    failed = describe_unfinished(make_unfinished("lora", "frd", "failed", 2, "no memory"))
    assert failed == {"group": "lora_seed2", "method": "frd", "n": "failed", "note": "no memory"}
    waiting = describe_unfinished(make_unfinished("lora", "frd", "waiting", 2, None))
    assert (waiting["n"], waiting["note"]) == ("waiting", "")


def test_a_reason_that_would_fill_a_screen_is_cut() -> None:
    reason = f"step 2: the loss is nan; examples of its batch: {', '.join(['5a8e3f'] * 60)}"
    note = describe_unfinished(make_unfinished("lora", "frd", "failed", 2, reason))["note"]
    assert note.startswith("step 2: the loss is nan; examples") and note.endswith(" ...")
    assert len(note) <= MAX_REASON
    unbroken = describe_unfinished(make_unfinished("lora", "frd", "failed", 2, "x" * 500))["note"]
    assert unbroken == "x" * (MAX_REASON - 4) + " ..."


def test_columns_are_the_keys_of_what_is_described() -> None:
    assert tuple(describe_group(group_of(70.0))) == GROUP_CELLS
    compared = Comparison("a", "b", 8.0, (0,), 10, {"f1": Difference(0.1, (0.0, 1.0), 0.5)})
    assert tuple(next(describe_comparison(compared))) == COMPARISON_CELLS


def test_a_comparison_is_a_row_a_figure() -> None:
    figures = {
        "exact": Difference(0.814, (0.12, 1.5), 0.0213),
        "f1": Difference(-0.4, (-1.31, 0.52), 0.25),
    }
    exact, f1 = describe_comparison(Comparison("a", "b", 98304.0, (0, 1, 2), 6078, figures))
    assert list(exact.values()) == [
        *("a", "b", "EM", "+0.81", "+0.12 to +1.50", "0.021", "98,304", "3", "6,078"),
    ]
    assert (f1["figure"], f1["difference"], f1["p"]) == ("F1", "−0.40", "0.250")


def test_a_budget_that_is_equal_in_triplets_alone_says_so() -> None:
    same = Comparison("a", "b", 288.0, (0,), 10, {}, "triplets")
    assert equal_budget(same) == "288 triplets"
