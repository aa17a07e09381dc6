import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_a_plan_is_shown_and_no_run_is_made(
    run_cli: Callable[..., Any], recipe_file: Callable[..., Path], tmp_path: Path
) -> None:
    done = run_cli("prepare", recipe_file())
    assert (done.code, done.err) == (0, "")
    for word in ("almanac-train", "plan of tiny", "3 rounds"):
        assert word in done.out
    assert not (tmp_path / "runs").exists()


def test_programs_get_one_json_document(
    run_cli: Callable[..., Any], recipe_file: Callable[..., Path]
) -> None:
    report = json.loads(run_cli("prepare", recipe_file(), "--json").out)
    assert report["data"]["train"]["examples"] == 64
    assert report["plan"]["schedule"]["target_budget"] == 24


def test_overrides_count(run_cli: Callable[..., Any], recipe_file: Callable[..., Path]) -> None:
    done = run_cli("prepare", recipe_file(), "--set", "train.max_steps=40", "--json")
    assert json.loads(done.out)["plan"]["total_steps"] == 40
