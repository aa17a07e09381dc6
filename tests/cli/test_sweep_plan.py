import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.cli.sweep_plan import _note
from qarank.config.load import load_recipe
from qarank.config.sweep_points import expand_points

ROOT = Path(__file__).parents[2]
LORA = {"name": "lora", "adapter": {"type": "frd", "r": 2}, "allocator": {"type": "none"}}
ADALORA = {"name": "adalora", "allocator.target_r": 1, "train.learning_rate": 0.016}
LATE = {"name": "late", "allocator.tinit": 11, "allocator.target_r": 1}
LATER = {**LATE, "name": "later"}


def test_each_point_has_schedule_parameters_and_time(
    recipe_file: Callable[..., Path], run_cli: Callable[..., Any]
) -> None:
    done = run_cli("sweep", recipe_file(sweep={"points": [LORA, ADALORA]}), "--dry-run")
    assert done.code == 0
    (line,) = (line for line in done.out.splitlines() if "│ adalora" in line)
    assert "svd + adalora" in line and "0.016" in line and "48 -> 12, steps 2 to 8" in line
    assert "in all, one after the other" in done.out


def test_a_point_that_cannot_run_says_why(
    recipe_file: Callable[..., Path], run_cli: Callable[..., Any]
) -> None:
    done = run_cli("sweep", recipe_file(sweep={"points": [LORA, LATE]}), "--dry-run")
    assert "cannot run" in done.out
    (why,) = (line for line in done.out.splitlines() if line.startswith("late: "))
    assert "do not fit a run of 12 steps" in why
    assert done.code == 0 and "1 of 2 points cannot run; about " in done.out


def test_where_none_can_run_the_reason_is_told_once_and_the_first_is_the_failure(
    recipe_file: Callable[..., Path], run_cli: Callable[..., Any]
) -> None:
    recipe = recipe_file(sweep={"points": [LATE, LATER]})
    done = run_cli("sweep", recipe, "--dry-run")
    assert done.code == 2
    assert "2 of 2 points cannot run" in done.out and "left to run" not in done.out
    (why,) = (line for line in done.out.splitlines() if "do not fit a run" in line)
    assert why.startswith("2 points (late, later): ")
    (line,) = done.err.splitlines()
    assert line.startswith("qarank: sweep point late: ") and "do not fit a run" in line
    shown = run_cli("sweep", recipe, "--dry-run", "--json")
    assert shown.code == 2 and [each["point"] for each in json.loads(shown.out)] == [
        "late",
        "later",
    ]


def test_options_that_do_not_go_together_are_refused_here_too(
    recipe_file: Callable[..., Path], run_cli: Callable[..., Any]
) -> None:
    recipe = recipe_file(sweep={"points": [LORA]})
    done = run_cli("sweep", recipe, "--dry-run", "--address", "auto")
    assert done.code == 2 and "--address is a Ray cluster's" in done.err and done.out == ""


def planned(state: str, seconds: float = 60.0) -> dict[str, Any]:
    return {"problem": None, "state": state, "estimated_s": seconds}


ODD = {"problem": "it cannot"}


@pytest.mark.parametrize(
    ("points", "jobs", "told"),
    [
        ([planned("new"), planned("finished")], 1, "about 1 min in all, one after the other"),
        ([planned("new")] * 4, 2, "about 2 min in all, divided by the 2 points that run at a time"),
        ([planned("new")] * 2, 8, "about 1 min in all, divided by the 2 points"),
        ([planned("new", 600.0), planned("new")], 2, "about 10 min in all, divided by the 2"),
        ([planned("overwritten")], 1, "about 1 min in all, one after"),
        ([ODD, planned("new")], 2, "1 of 2 points cannot run; about 1 min in all, one after"),
    ],
)
def test_the_note_says_how_long_what_is_left_takes(
    points: list[dict[str, Any]], jobs: int, told: str
) -> None:
    note = _note(points, jobs)
    assert note.startswith(told) and note.endswith("; timed here, a point on all cores")


def test_the_note_says_what_is_not_left_and_from_where_unfinished_points_are_timed() -> None:
    assert _note([planned("finished")], 1) == "nothing is left to run"
    assert _note([ODD, planned("finished")], 1) == (
        "1 of 2 points cannot run; nothing is left to run"
    )
    assert _note([ODD], 1) == "1 of 1 points cannot run"
    assert _note([planned("unfinished")], 1).endswith(
        "an unfinished point's time is from its start"
    )


def test_the_readmes_sweep_commands_name_recipes_whose_data_is_there_or_given() -> None:
    readme = (ROOT / "README.md").read_text().replace("\\\n", " ")
    commands = [
        line for line in readme.splitlines() if line.startswith("    .venv/bin/qarank sweep ")
    ]
    assert len(commands) >= 4
    for command in commands:
        words = shlex.split(command, comments=True)
        given = [word for option, word in zip(words, words[1:], strict=False) if option == "--set"]
        recipe = load_recipe(ROOT / words[2], given)
        expand_points(recipe)
        if recipe.data.train is not None:
            assert {"data.train", "data.validation"} <= {each.split("=")[0] for each in given}
