import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_people_get_a_table_and_no_bar_where_there_is_no_terminal(
    run_cli: Callable[..., Any], recipe_file: Callable[..., Path]
) -> None:
    done = run_cli("train", recipe_file())
    assert (done.code, done.err) == (0, "")
    for word in ("tiny", "EM", "F1", "24 over 12 matrices", "step_000012"):
        assert word in done.out


def test_programs_get_run_json(
    run_cli: Callable[..., Any], recipe_file: Callable[..., Path], tmp_path: Path
) -> None:
    done = run_cli("train", recipe_file(), "--json")
    assert json.loads(done.out) == json.loads((tmp_path / "runs/tiny/run.json").read_text())


def test_a_dry_run_shows_the_plan_and_makes_nothing(
    run_cli: Callable[..., Any], recipe_file: Callable[..., Path], tmp_path: Path
) -> None:
    assert "plan of tiny" in run_cli("train", recipe_file(), "--dry-run").out
    as_json = run_cli("train", recipe_file(), "--dry-run", "--json").out
    assert json.loads(as_json)["plan"]["total_steps"] == 12
    assert not (tmp_path / "runs").exists()


def test_a_finished_run_is_replaced_when_asked(
    run_cli: Callable[..., Any], recipe_file: Callable[..., Path]
) -> None:
    recipe = recipe_file()
    codes = [run_cli("train", recipe, *more, "-q").code for more in ([], [], ["--overwrite"])]
    assert codes == [0, 2, 0]


def test_a_run_without_ranks_or_figures_has_a_table_too(
    run_cli: Callable[..., Any], recipe_file: Callable[..., Path]
) -> None:
    recipe = recipe_file(adapter={"type": "none"}, allocator={"type": "none"})
    done = run_cli("train", recipe, "-q")
    assert done.code == 0
    assert "ranks kept" in done.out
