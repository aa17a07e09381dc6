"""With dropout on: the same number of processes gives the same bits, stopped in between or not."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.config.schema import Recipe
from qarank.engine.loop import Trainer
from qarank.workflows.train import run_path
from tests.distributed.runs import SignalAt, assert_bit_equal, finish_on, read_run, train_on

LIVELY: dict[str, Any] = {"model": {"dropout": 0.1}, "train": {"micro_batch_size": 3}}
slow = pytest.mark.slow
STOPPED = 128 + signal.SIGTERM


@pytest.fixture
def lively_recipe(telling_recipe: Callable[..., Recipe]) -> Callable[[str], Recipe]:
    """The recipe with dropout and accumulation, under a name."""
    return lambda name: telling_recipe(name=name, **LIVELY)


_shared: list[Path] = []


@pytest.fixture
def whole_run(lively_recipe: Callable[[str], Recipe]) -> Path:
    """A run on two processes that was never stopped. Made once: read it, do not write to it."""
    if not _shared:
        _shared.append(finish_on(2, lively_recipe("whole")))
    return _shared[0]


def stop_on_two(recipe: Recipe, *, rank: int, step: int) -> Path:
    """Train on two processes, one of which gets SIGTERM within a step."""
    ended = train_on(2, recipe, act=SignalAt(rank, step, signal.SIGTERM))
    line = f"stopped by SIGTERM after step {step} of 24; saved as "
    for process in ended:
        assert str(process.error).startswith(line), process.err
        assert process.error.exit_code == STOPPED
    folder = run_path(recipe)
    assert [path.name for path in (folder / "checkpoints").iterdir()][-1].endswith(f"{step:06d}")
    return folder


def test_two_processes_with_dropout_repeat_to_the_last_bit(
    whole_run: Path, lively_recipe: Callable[[str], Recipe]
) -> None:
    assert_bit_equal(whole_run, finish_on(2, lively_recipe("again")))


# Before the first round, among the rounds, and when the pattern is fixed.
@pytest.mark.parametrize(
    ("rank", "step"),
    [pytest.param(0, 2, marks=slow), (1, 11), pytest.param(1, 21, marks=slow)],
)
def test_two_processes_of_which_one_was_asked_to_stop_go_on_to_the_same_bits(
    whole_run: Path, lively_recipe: Callable[[str], Recipe], rank: int, step: int
) -> None:
    stop_on_two(lively_recipe("stopped"), rank=rank, step=step)
    resumed = finish_on(2, lively_recipe("stopped"), resume=True)
    assert_bit_equal(whole_run, resumed)
    assert [entry["from"] for entry in read_run(resumed)["resumed"]] == [f"step_{step:06d}"]


class SaveAt(SignalAt):
    """Asks one process to save, and looks before the next step whether the run has."""

    def __init__(self, rank: int, step: int, folder: Path) -> None:
        super().__init__(rank, step, signal.SIGUSR1)
        self.folder = folder

    def __call__(self, trainer: Trainer, step: int) -> None:
        super().__call__(trainer, step)
        if step == self.step + 1:
            assert (self.folder / f"checkpoints/step_{self.step:06d}/manifest.json").is_file()


@pytest.mark.parametrize("rank", [pytest.param(0, marks=slow), 1])
def test_one_process_asked_to_save_makes_all_save_and_go_on(
    whole_run: Path, lively_recipe: Callable[[str], Recipe], rank: int
) -> None:
    recipe = lively_recipe("saved")
    saved = finish_on(2, recipe, act=SaveAt(rank, 7, run_path(recipe)))
    assert_bit_equal(whole_run, saved)


@pytest.mark.parametrize(
    "sizes", [pytest.param((2, 1), marks=slow), (1, 2), pytest.param((2, 3), marks=slow)]
)
def test_another_number_of_processes_goes_on_with_one_warning(
    lively_recipe: Callable[[str], Recipe], sizes: tuple[int, int]
) -> None:
    before, after = sizes
    recipe = lively_recipe("moved")
    train_on(before, recipe, act=SignalAt(0, 11, signal.SIGTERM))
    ended = train_on(after, recipe, resume=True)
    assert {process.code for process in ended} == {0}
    warning = f"the run had {before} processes and now has {after}: dropout draws other masks"
    assert [process.err.count(warning) for process in ended] == [1] + [0] * (after - 1)
