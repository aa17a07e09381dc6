import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.cli.prepare import show_plan
from qarank.config.schema import Recipe
from qarank.errors import RunDirError


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


def test_the_recipe_of_a_sweep_shows_every_point(
    run_cli: Callable[..., Any], recipe_file: Callable[..., Path]
) -> None:
    points = [{"name": "few", "train.max_steps": 10}, {"name": "many", "train.max_steps": 20}]
    recipe = recipe_file(sweep={"points": points})
    done = run_cli("prepare", recipe)
    assert (done.code, done.err) == (0, "")
    assert "points of tiny" in done.out and done.out.count("almanac-train") == 1
    report = json.loads(run_cli("prepare", recipe, "--json").out)
    assert [(p["point"], p["plan"]["total_steps"]) for p in report["points"]] == [
        ("few", 10),
        ("many", 20),
    ]


def test_a_point_that_cannot_run_is_refused_by_name(
    run_cli: Callable[..., Any], recipe_file: Callable[..., Path]
) -> None:
    points = [{"name": "good"}, {"name": "short", "train.max_steps": 5}]
    done = run_cli("prepare", recipe_file(sweep={"points": points}))
    assert done.code == 2
    assert done.err.startswith("qarank: sweep point short: allocator.tinit 2")
    assert done.err.count("\n") == 1


def test_only_the_main_process_shows_the_plan(
    run_cli: Callable[..., Any], recipe_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    launched = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}
    for name, value in launched.items():
        monkeypatch.setenv(name, value)
    assert run_cli("prepare", recipe_file()).out == ""
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert "2, of a step 4 features each" in run_cli("prepare", recipe_file()).out


def show(recipe: Recipe, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    show_plan(recipe, as_json=True, **options)
    return json.loads(capsys.readouterr().out)


def test_an_estimate_is_made_when_asked_and_leaves_no_folder(
    tiny_recipe: Callable[..., Recipe], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny_recipe()
    assert "estimate" not in show(recipe, capsys, with_estimate=False)
    report = show(recipe, capsys, with_estimate=True)
    assert report["estimate"]["num_evaluations"] == 1
    assert report["estimate"]["total_s"] > report["estimate"]["train_s"] > 0
    assert not Path(recipe.runs_dir).exists()


def test_a_plan_for_more_processes_is_made_by_one(
    tiny_recipe: Callable[..., Recipe], capsys: pytest.CaptureFixture[str]
) -> None:
    report = show(tiny_recipe(), capsys, with_estimate=True, nproc=4)
    assert report["processes"] == {"world_size": 4, "features_a_step": 2.0}


def test_a_disk_too_small_is_told_after_the_plan(
    tiny_recipe: Callable[..., Recipe],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qarank.workflows.disk_need.count_free_bytes", lambda _: 1_000)
    with pytest.raises(RunDirError, match="lower train.keep_checkpoints"):
        show_plan(tiny_recipe(), as_json=True, with_estimate=True)
    assert json.loads(capsys.readouterr().out)["estimate"]["disk_free_bytes"] == 1_000
