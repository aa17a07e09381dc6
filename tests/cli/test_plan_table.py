from typing import Any

import pytest

from qarank.cli.plan_table import print_plan

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
    "adapter_parameters": 1_991_520,
    "head_parameters": 1_538,
    "matrices": {f"layer.{number}": [768, 768] for number in range(72)},
    "targets": {"layer.*": 72},
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
        "num_rounds": 439,
    },
}


def test_a_plan_shows_data_parameters_steps_and_budget(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_plan("squad_v2_svd", DATA, PLAN)
    out = capsys.readouterr().out
    for word in ("almanac-train", "183,833,090", "1,993,058", "165,888", "98,820", "72"):
        assert word in out
    for word in ("1..5000", "5001..48819", "48820..98820", "864 -> 576", "439 rounds"):
        assert word in out


def test_without_an_allocator_there_is_no_budget(capsys: pytest.CaptureFixture[str]) -> None:
    print_plan("lora", DATA, PLAN | {"schedule": None})
    out = capsys.readouterr().out
    assert "none: every matrix keeps r" in out
    assert "rounds" not in out
