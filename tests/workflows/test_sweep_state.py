import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.artifacts.run_dir import RunDir
from qarank.config.schema import Recipe
from qarank.config.sweep_points import SweepPoint
from qarank.errors import RunDirError
from qarank.workflows import sweep_state
from qarank.workflows.sweep_check import CheckedPoint, check_points
from qarank.workflows.sweep_state import Standing, has_begun, judge_standing, put_aside


@pytest.fixture
def own(own_run: Any) -> Callable[..., CheckedPoint]:
    """The point of a finished run, its recipe's keys replaced."""

    def check(**changes: Any) -> CheckedPoint:
        where = {"name": own_run.folder.name, "runs_dir": str(own_run.folder.parent)}
        recipe = own_run.recipe.model_copy(update=where | changes)
        (checked,) = check_points([SweepPoint("a", recipe, group="a")])
        return checked

    return check


def test_a_folder_that_is_not_there_or_claimed_is_new(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    (checked,) = check_points([SweepPoint("tiny", tiny_recipe(), group="tiny")])
    assert judge_standing(checked) == (Standing.NEW, "")
    checked.run_dir.path.mkdir(parents=True)
    checked.run_dir.write_run({"state": "claimed"})
    assert judge_standing(checked) == (Standing.NEW, "")
    assert not has_begun({}) and has_begun({"state": "running"})


def test_a_run_of_the_same_recipe_and_data_is_finished_or_not(
    own: Callable[..., CheckedPoint],
) -> None:
    checked = own()
    assert judge_standing(checked) == (Standing.FINISHED, "")
    for state in ("running", "stopped", "failed"):
        checked.run_dir.write_run({**checked.run_dir.read_run(), "state": state})
        assert judge_standing(checked) == (Standing.UNFINISHED, "")


def test_another_recipe_or_other_data_are_a_change(own: Callable[..., CheckedPoint]) -> None:
    checked = own(seed=7)
    standing, change = judge_standing(checked)
    assert standing is Standing.CHANGED and change == "seed is 1 there, 7 here"
    other = dataclasses.replace(own(), fingerprints={**own().fingerprints, "train": "0" * 64})
    assert judge_standing(other) == (Standing.CHANGED, "the train data have changed")
    retrained = dataclasses.replace(own(), fingerprints={**own().fingerprints, "model": "0" * 64})
    assert judge_standing(retrained) == (Standing.CHANGED, "the model's files have changed")
    own().run_dir.recipe_path.unlink()
    assert judge_standing(own())[1] == "its run has no recipe that can be read"


def test_a_run_that_does_not_say_which_data_it_was_of_is_not_taken_for_the_same(
    own: Callable[..., CheckedPoint],
) -> None:
    checked = own()
    run = checked.run_dir.read_run()
    del run["fingerprints"]
    checked.run_dir.write_run(run)
    assert judge_standing(checked) == (
        Standing.CHANGED,
        "its run does not say which data it was of",
    )


def test_ranks_taken_from_another_run_are_content_too(own: Callable[..., CheckedPoint]) -> None:
    checked = own()
    assert checked.plan is not None
    patterned = dataclasses.replace(
        checked, plan=dataclasses.replace(checked.plan, pattern={"a": 1})
    )
    assert judge_standing(patterned)[1] == "the ranks of allocator.pattern have changed"


def test_an_earlier_run_is_kept_unless_it_is_being_written(
    own: Callable[..., CheckedPoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = own(seed=7)
    folder: Path = checked.run_dir.path
    monkeypatch.setattr(sweep_state, "WRITER_WAIT_S", 0.0)
    with RunDir(folder).lock(), pytest.raises(RunDirError):
        put_aside(checked, "seed")
    put_aside(checked, "seed")
    assert not folder.exists()
    assert RunDir(folder.parent / "earlier" / f"{folder.name}-1").is_finished
