"""What goes wrong on one process ends all of them, and is told once."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from qarank.config.schema import Recipe
from qarank.errors import LostProcessError
from qarank.workflows.train import run_path
from tests.distributed.processes import Ended, run
from tests.distributed.runs import Poison, SignalAt, command_here, read_run, train_on


def told_lines(ended: list[Ended]) -> list[str]:
    """The lines with which the processes ended; that there is no traceback."""
    lines = "".join(process.err for process in ended).splitlines()
    assert not [line for line in lines if line.startswith("Traceback")], lines
    return [line for line in lines if line.startswith("qarank: ")]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_loss_that_is_nan_on_one_process_ends_all_with_one_line(
    recipe_path: Path, tmp_path: Path, rank: int
) -> None:
    ended = run(command_here, ["train", str(recipe_path), "--json"], Poison(rank, 6))
    assert [process.code for process in ended] == [3, 3]
    (line,) = told_lines(ended)
    assert line.startswith("qarank: step 6: the loss is nan; training stopped; examples of its ")
    assert "almanac" in line
    assert line.endswith(f"go on with qarank train {recipe_path} --nproc 2 --resume")
    assert [process.out for process in ended] == ["", ""]
    folder = tmp_path / "runs/tiny"
    assert read_run(folder)["state"] == "failed"
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step_000005"]


def test_of_a_killed_process_the_others_tell_in_one_line(
    telling_recipe: Callable[..., Recipe],
) -> None:
    recipe = telling_recipe()
    ended = train_on(2, recipe, act=SignalAt(1, 6, signal.SIGKILL))
    assert ended[1].code == -signal.SIGKILL
    assert isinstance(ended[0].error, LostProcessError)
    assert read_run(run_path(recipe))["state"] == "failed"


def test_a_mistake_is_told_once_for_all_processes(recipe_path: Path) -> None:
    ended = run(command_here, ["train", str(recipe_path), "--set", "train.batch_size=0"])
    assert [process.code for process in ended] == [2, 2]
    assert len(told_lines(ended)) == 1


def test_the_main_process_alone_prints(recipe_path: Path) -> None:
    ended = run(command_here, ["train", str(recipe_path), "-q"])
    assert [process.code for process in ended] == [0, 0]
    assert "best checkpoint" in ended[0].out
    assert ended[1].out == "".join(process.err for process in ended) == ""
