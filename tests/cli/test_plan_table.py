from collections.abc import Callable
from typing import Any

import pytest

from qarank.cli import render
from qarank.cli.plan_table import print_findings, print_plan, print_points

KIND = "deberta.encoder.layer.*.attention.self.query_proj"
DATA = {
    "train": {
        "label": "almanac-train",
        "examples": 64,
        "unanswerable": 20,
        "features": 71,
        "longest_feature": 160,
        "cut_questions": 0,
    }
}
PLAN: dict[str, Any] = {
    "base_parameters": 183_833_090,
    "trained_parameters": 1_993_058,
    "matrices": {f"layer.{number}": [768, 768] for number in range(72)},
    "groups": [
        {"name": KIND, "matrices": 72, "parameters": 1_991_520},
        {"name": "head", "matrices": None, "parameters": 1_538},
    ],
    "parameters_per_rank": 165_888,
    "steps_per_epoch": 8_235,
    "total_steps": 98_820,
    "warmup_steps": 1_000,
    "eval_every": 3_000,
    "save_every": None,
    "schedule": {
        "start_budget": 864,
        "target_budget": 576,
        "total_steps": 98_820,
        "tinit": 5_000,
        "tfinal": 50_000,
        "delta_t": 100,
        "finalize": True,
        "num_rounds": 439,
        "shown_rounds": [
            {"step": 5_100, "epoch": 0.62, "budget": 862, "mean_rank": 11.97},
            {"step": 48_820, "epoch": 5.93, "budget": 576, "mean_rank": 8.0},
        ],
    },
    "pattern": None,
}


REPORT: dict[str, Any] = {
    "data": DATA,
    "plan": PLAN,
    "budget_unit": "triplets",
    "processes": {"world_size": 1, "features_a_step": 16.0},
}
SPREAD = {"number": 64, "least": 4, "median": 12, "p95": 20, "most": 46}
TOKENS = {"questions": SPREAD, "contexts": SPREAD, "answers": SPREAD, "windowed_share": 0.25}
AUDIT: dict[str, Any] = {
    "path": "/cache/audit.json",
    "parts": {"train": {"label": "almanac-train", "counts": {}, "tokens": TOKENS}},
    "findings": [],
}
ESTIMATE = {
    "step_s": 0.125,
    "train_s": 12_352.5,
    "num_evaluations": 33,
    "evaluation_s": 1_980.0,
    "total_s": 14_332.5,
    "peak_bytes": 6 * 1024**3,
    "checkpoint_bytes": 40 * 1024**2,
    "disk_bytes": 1_500 * 1024**2,
    "disk_free_bytes": 2 * 1024**4,
}


@pytest.fixture
def shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """What print_plan prints on a terminal of 80 columns."""

    def show(**changed: Any) -> str:
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(render, "PIPE_WIDTH", 80)
        print_plan("squad_v2_svd", REPORT | changed)
        return capsys.readouterr().out

    return show


def test_a_plan_shows_data_parameters_steps_and_budget(shown: Callable[..., str]) -> None:
    out = shown()
    for word in ("almanac-train", "183,833,090", "1,993,058", "165,888", "98,820", "72"):
        assert word in out
    for word in ("1..5,000", "5,001..48,819", "48,820..98,820", "864 -> 576", "2 of 439 rounds"):
        assert word in out
    assert "estimate" not in out


def test_what_trains_stands_by_kind_and_sums_up(shown: Callable[..., str]) -> None:
    rows = [line for line in shown().splitlines() if "│" in line]
    numbers = {line.split("│")[1].strip(): line.split("│")[2:4] for line in rows}
    assert [part.strip() for part in numbers[KIND]] == ["72", "1,991,520"]
    assert [part.strip() for part in numbers["head"]] == ["-", "1,538"]
    assert [part.strip() for part in numbers["all"]] == ["72", "1,993,058"]


def test_rounds_show_step_epoch_budget_and_mean_rank(shown: Callable[..., str]) -> None:
    (line,) = (line for line in shown().splitlines() if "48,820 " in line)
    assert [part.strip() for part in line.split("│")[1:-1]] == ["48,820", "5.93", "576", "8.00"]


@pytest.mark.parametrize(
    ("processes", "row"),
    [
        ({"world_size": 1, "features_a_step": 16.0}, "│ processes       │ 1  "),
        ({"world_size": 5, "features_a_step": 3.2}, "5, of a step 3.2 features each on average"),
    ],
)
def test_processes_have_a_row(
    processes: dict[str, Any], row: str, shown: Callable[..., str]
) -> None:
    assert row in shown(processes=processes)


def test_an_estimate_tells_time_memory_and_disk_in_units_people_use(
    shown: Callable[..., str],
) -> None:
    out = shown(estimate=ESTIMATE)
    for word in ("0.12 s", "3 h 25 min", "33 min (33 in all)", "3 h 58 min", "6.0 GiB"):
        assert word in out
    for word in ("40.0 MiB", "1.5 GiB", "2.0 TiB"):
        assert word in out
    assert "- " in shown(estimate=ESTIMATE | {"num_evaluations": 0, "evaluation_s": 0.0})


def test_no_cell_is_folded_at_80_columns(shown: Callable[..., str]) -> None:
    data = {
        "train": DATA["train"] | {"label": "squad_v2-train", "examples": 130_319},
        "validation": DATA["train"] | {"label": "squad_v2-validation", "features": 131_754},
    }
    out = shown(data=data, estimate=ESTIMATE)
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 80
    assert "squad_v2-validation" in out and KIND in out


def test_without_an_allocator_there_is_no_budget(shown: Callable[..., str]) -> None:
    out = shown(plan=PLAN | {"schedule": None})
    assert "none: every matrix keeps r" in out
    assert "rounds" not in out


def test_ranks_of_another_run_are_summed_up(shown: Callable[..., str]) -> None:
    out = shown(plan=PLAN | {"schedule": None, "pattern": {"layer.0": 517, "layer.1": 0}})
    assert "triplets, from the start" in out and " 517 " in out
    assert "every matrix keeps r" not in out and "rounds" not in out


@pytest.mark.parametrize("unit", ["triplets", "parameters"])
def test_what_the_budget_counts_heads_its_columns(unit: str, shown: Callable[..., str]) -> None:
    heads = [line for line in shown(budget_unit=unit).splitlines() if "steps" in line]
    assert sum(f" {unit} " in line for line in heads if "phase" in line) == 1


def test_phases_without_a_step_say_so(shown: Callable[..., str]) -> None:
    schedule = PLAN["schedule"] | {"tinit": 0, "tfinal": 98_819, "finalize": False}
    lines = shown(plan=PLAN | {"schedule": schedule}).splitlines()
    phases = [line for line in lines if "all triplets" in line or "falling" in line]
    assert all("none" in line for line in phases)
    assert any("final, rounds go on" in line for line in lines)


def test_a_sweep_shows_data_once_and_a_row_a_point(capsys: pytest.CaptureFixture[str]) -> None:
    audited = REPORT | {"audit": AUDIT}
    lora = audited | {"point": "lora", "plan": PLAN | {"schedule": None}}
    again = audited | {"point": "file", "plan": PLAN | {"schedule": None, "pattern": {"a": 576}}}
    print_points("study", [lora, again, audited | {"point": "svd"}])
    out = capsys.readouterr().out
    assert out.count("almanac-train") == out.count("audit: no findings") == 1
    assert "points of study" in out
    (line,) = (line for line in out.splitlines() if line.startswith("│ svd"))
    cells = [part.strip() for part in line.split("│")[1:-1]]
    assert cells == ["svd", "98,820", "439", "1,993,058", "864 -> 576"]
    assert "│ lora  │ 98,820 │      - │" in out
    (line,) = (line for line in out.splitlines() if line.startswith("│ file"))
    assert line.split("│")[-2].strip() == "576"


def test_the_audit_comes_after_the_data_and_before_the_plan(shown: Callable[..., str]) -> None:
    out = shown(audit=AUDIT)
    places = [out.index(word) for word in ("almanac-train", "no findings", "plan of squad")]
    assert places == sorted(places)
    assert "audit" not in shown()


def test_findings_are_shown_without_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings({"data": DATA, "audit": AUDIT})
    out = capsys.readouterr().out
    assert "almanac-train" in out and "no findings" in out and "plan" not in out
