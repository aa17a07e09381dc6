import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from qarank.artifacts.run_dir import RunDir
from qarank.config.schema import Recipe
from qarank.engine.distributed import Processes
from qarank.engine.environment import World
from qarank.errors import CheckpointError, RunDirError
from qarank.workflows.build import Setting
from qarank.workflows.checkpointer import SavedState
from qarank.workflows.prepare import prepare_run
from qarank.workflows.start import Start, find_start, look_at_run, require_same_run

CPU = torch.device("cpu")


def look(finished: Any, *, resume: bool = True, overwrite: bool = False, **changed: Any) -> Any:
    recipe = finished.recipe.model_copy(update=changed)
    return look_at_run(finished.folder, recipe, resume=resume, overwrite=overwrite)


def test_where_nothing_is_a_run_begins_and_nothing_is_made(
    tmp_path: Path, tiny_recipe: Callable[..., Recipe]
) -> None:
    folder = tmp_path / "new"
    for resume in (False, True):
        assert look_at_run(folder, tiny_recipe(), resume=resume, overwrite=False) == {}
    assert not folder.exists()


def test_a_run_to_go_on_with_says_what_it_is(pruned_run: Any) -> None:
    assert look(pruned_run) == pruned_run.run


def test_overwriting_looks_at_nothing_of_the_run_that_is_there(pruned_run: Any) -> None:
    assert look(pruned_run, resume=False, overwrite=True, seed=99) == {}


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ("finished", "holds a finished run; --overwrite replaces it$"),
        ("stopped", "holds an unfinished run; --resume goes on with it, --overwrite replaces it$"),
    ],
)
def test_a_run_that_is_there_is_kept_unless_something_is_asked(
    state: str, line: str, own_run: Any
) -> None:
    RunDir(own_run.folder).write_run({"state": state})
    with pytest.raises(RunDirError, match=line):
        look(own_run, resume=False)


@pytest.mark.parametrize("is_emptied", [True, False])
def test_a_run_that_was_stopped_while_its_folder_was_emptied_begins(
    is_emptied: bool, own_run: Any
) -> None:
    run_dir = RunDir(own_run.folder)
    run_dir.write_run({"state": "claimed"})
    if is_emptied:
        run_dir.recipe_path.unlink()
    assert look(own_run) == {}


@pytest.mark.parametrize("state", ["finished", "running"])
def test_a_run_whose_recipe_is_gone_is_kept(state: str, own_run: Any) -> None:
    run_dir = RunDir(own_run.folder)
    run_dir.write_run({"state": state})
    run_dir.recipe_path.unlink()
    with pytest.raises(RunDirError, match=r"a run without its recipe.yaml.*; --overwrite replaces"):
        look(own_run)
    assert look(own_run, resume=False, overwrite=True) == {}


def test_another_recipes_run_is_refused_with_what_differs(pruned_run: Any) -> None:
    with pytest.raises(RunDirError) as caught:
        look(pruned_run, seed=99)
    assert str(caught.value) == (
        f"{pruned_run.folder} holds a run of another recipe: seed is 1 there, 99 here; "
        "--overwrite replaces it, another name keeps both"
    )


def test_of_many_differences_three_are_told(pruned_run: Any) -> None:
    train = pruned_run.recipe.train.model_copy(
        update={"batch_size": 3, "learning_rate": 0.1, "log_every": 7, "max_grad_norm": 2.0}
    )
    with pytest.raises(RunDirError, match=r" here; \.\.\.; --overwrite") as caught:
        look(pruned_run, train=train)
    assert str(caught.value).count(" there, ") == 3


def test_somebody_elses_folder_is_refused_even_to_resume(
    tmp_path: Path, tiny_recipe: Callable[..., Recipe]
) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(RunDirError, match="holds files of somebody else"):
        look_at_run(tmp_path, tiny_recipe(), resume=True, overwrite=False)


def test_a_run_goes_on_after_its_newest_good_checkpoint(
    own_run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run_dir = RunDir(own_run.folder)
    newest, before = run_dir.checkpoints()[-1], run_dir.checkpoints()[-2]
    assert find_start(run_dir, own_run.run) == Start(newest, own_run.run)
    (newest / "README.md").write_text("changed")
    with caplog.at_level(logging.WARNING, "qarank"):
        assert find_start(run_dir, own_run.run) == Start(before, own_run.run)
    assert "the one before it is used" in caplog.text


def test_without_a_checkpoint_nothing_of_the_run_before_is_kept(
    own_run: Any, tmp_path: Path
) -> None:
    assert find_start(RunDir(tmp_path / "nothing"), {"state": "failed"}) == Start(None, {})
    assert find_start(RunDir(own_run.folder), {}) == Start(None, {}), "nor where none is to go on"


@pytest.fixture
def goes_on(pruned_run: Any) -> Callable[..., None]:
    """Checks a resume of pruned_run by the facts given: what was then, and what is now."""
    prepared = prepare_run(pruned_run.recipe)
    saved = SavedState.read(pruned_run.last_checkpoint)

    def check(*, device: str = "cpu", size: int = 1, **then: Any) -> None:
        run = json.loads(json.dumps(pruned_run.run | then))
        setting = Setting(torch.device(device), "fp32", Processes(World(world_size=size)))
        require_same_run(Start(pruned_run.last_checkpoint, run), saved, prepared, setting)

    return check


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, "qarank")
    return caplog


def test_the_same_run_goes_on_without_a_word(
    goes_on: Callable[..., None], warnings: pytest.LogCaptureFixture
) -> None:
    goes_on()
    assert warnings.messages == []


def test_other_data_or_another_model_are_refused_with_what_differs(
    goes_on: Callable[..., None], pruned_run: Any
) -> None:
    then = {**pruned_run.run["plan"], "num_features": 3}
    with pytest.raises(CheckpointError) as caught:
        goes_on(plan=then)
    assert str(caught.value).startswith(
        f"{pruned_run.last_checkpoint} was made with other data or another model: "
        "num_features was 3, now it is "
    )
    assert str(caught.value).endswith("; --overwrite starts anew")


def test_other_weights_under_the_same_name_are_refused(
    goes_on: Callable[..., None], pruned_run: Any
) -> None:
    assert set(pruned_run.run["fingerprints"]) == {"train", "validation", "model"}
    with pytest.raises(CheckpointError, match="another model: the model's files have changed"):
        goes_on(fingerprints={**pruned_run.run["fingerprints"], "model": "0" * 64})


def test_another_number_of_processes_is_told(
    goes_on: Callable[..., None], warnings: pytest.LogCaptureFixture
) -> None:
    goes_on(size=3)
    assert warnings.messages == [
        "the run had 1 processes and now has 3: dropout draws other masks from here on"
    ]


def test_another_number_of_threads_is_told(
    goes_on: Callable[..., None], warnings: pytest.LogCaptureFixture, pruned_run: Any
) -> None:
    goes_on(hardware={**pruned_run.run["hardware"], "threads": 77})
    (line,) = warnings.messages
    assert line.startswith("the run had 77 threads and now has ")
    assert "OMP_NUM_THREADS" in line


@pytest.mark.parametrize(("then", "now"), [("NVIDIA H200", "cpu"), ("cpu (x86_64)", "cuda")])
def test_another_kind_of_device_is_told(
    then: str,
    now: str,
    goes_on: Callable[..., None],
    warnings: pytest.LogCaptureFixture,
    pruned_run: Any,
) -> None:
    goes_on(device=now, hardware={**pruned_run.run["hardware"], "device": then})
    assert warnings.messages == [f"the run was on {then} and goes on elsewhere: roundings differ"]


def test_a_plan_read_from_a_file_equals_the_one_made_anew(pruned_run: Any) -> None:
    """Guards the refusal above: JSON has no tuples."""
    plan = prepare_run(pruned_run.recipe).plan
    assert json.loads(json.dumps(plan.to_dict())) == plan.to_dict()
    assert replace(plan, num_features=3).to_dict() != plan.to_dict()
