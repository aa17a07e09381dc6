from collections.abc import Callable
from pathlib import Path
from typing import Any

LORA = {"name": "lora", "adapter": {"type": "frd", "r": 2}, "allocator": {"type": "none"}}
ADALORA = {"name": "adalora", "allocator.target_r": 1, "train.learning_rate": 0.016}
LATE = {"name": "late", "allocator.tinit": 11, "allocator.target_r": 1}


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
