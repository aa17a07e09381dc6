import json

import pytest

from qarank.report.study import Results, Row, Study
from tests.report.studies import make_row, many_kinds


def test_a_row_keeps_as_many_ranks_as_its_matrices_together() -> None:
    assert make_row("a", "frd", ranks={"q": 3, "k": 0}).final_ranks == 3
    assert make_row("a", "none").final_ranks is None


def test_a_row_for_programs_has_what_people_sort_by_beside_its_metrics() -> None:
    row = make_row("a", "frd", metrics={"f1": 2.0, "HasAns_f1": 1.0, "NoAns_exact": 3.0}).to_dict()
    assert (row["HasAns_f1"], row["NoAns_exact"], row["metrics"]["f1"]) == (1.0, 3.0, 2.0)
    assert row["final_ranks"] == sum(row["ranks"].values())
    waiting = Row("a", "a", "frd", 0, 0.1).to_dict()
    assert (waiting["state"], waiting["HasAns_f1"], waiting["f1"]) == ("waiting", None, None)


def test_groups_hold_finished_rows_and_stand_in_the_recipes_order() -> None:
    groups = many_kinds().study.groups
    assert list(groups)[:3] == ["lora_r2", "lora_r8", "ada_r2"]
    assert [row.seed for row in groups["lora_r8"]] == [0, 1, 2]
    assert groups["lora_r16"] == []


@pytest.mark.parametrize("results", [many_kinds(), Results(Study("s", []), [])])
def test_results_are_json_with_every_point_and_group(results: Results) -> None:
    summary = json.loads(json.dumps(results.to_dict()))
    assert list(summary) == ["name", "points", "groups", "comparisons"]
    assert [point["point"] for point in summary["points"]] == [
        row.point for row in results.study.rows
    ]
    assert len(summary["groups"]) == len(results.groups)
