import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qarank.artifacts.run_dir import RunDir
from qarank.config.schema import Recipe
from qarank.errors import RunDirError
from qarank.workflows import disk_need
from qarank.workflows.build import Setting, build_allocator, build_model, build_trainer
from qarank.workflows.disk_need import (
    check_disk,
    count_checkpoint_bytes,
    count_checkpoints,
    count_due,
    count_free_bytes,
    find_disk_need,
)
from qarank.workflows.manner import Manner
from qarank.workflows.prepare import Prepared, prepare_run
from qarank.workflows.run_state import collect_tensors
from qarank.workflows.save import save_checkpoint

TRAIN = {"max_steps": 12, "batch_size": 8, "precision": "fp32"}


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def save_first_step(prepared: Prepared, folder: Path) -> None:
    """A checkpoint as a run writes it, after one step."""
    setting = Setting(torch.device("cpu"), "fp32")
    model, layers = build_model(prepared, setting)
    allocator = build_allocator(prepared, layers)
    trainer = build_trainer(prepared, model, layers, setting, allocator=allocator)
    trainer.train_step(1)
    save_checkpoint(
        folder,
        model,
        layers,
        recipe=prepared.recipe,
        tokenizer=prepared.tokenizer,
        manner=Manner(),
        state=collect_tensors(trainer, allocator, [trainer.generators]),
        facts={"global_step": 1, "metrics": {}},
    )


NONE = {"type": "none"}
NORM = {"type": "norm", "target_r": 2, "tinit": 0, "tfinal": 0, "delta_t": 1}


@pytest.mark.parametrize(
    ("adapter", "allocator"),
    [
        ({"type": "svd", "r": 32}, None),  # None: the tiny recipe's own
        ({"type": "svd", "r": 4}, None),
        ({"type": "svd", "r": 32}, NORM),
        ({"type": "svd", "r": 32}, NONE),
        ({"type": "frd", "r": 32}, NONE),
        ({"type": "none"}, NONE),
        ({"type": "none", "full": True}, NONE),
    ],
)
def test_a_checkpoint_is_as_large_as_the_arithmetic_says(
    adapter: dict[str, Any],
    allocator: dict[str, Any] | None,
    tiny_recipe: Callable[..., Recipe],
    tmp_path: Path,
) -> None:
    sections = {"adapter": adapter} | ({} if allocator is None else {"allocator": allocator})
    prepared = prepare_run(tiny_recipe(**sections, train=TRAIN))
    save_first_step(prepared, tmp_path / "step_000001")
    found = folder_bytes(tmp_path / "step_000001")
    expected = count_checkpoint_bytes(prepared.plan, prepared.recipe)
    assert expected == pytest.approx(found, rel=0.1, abs=100_000)
    tokenizer = found - expected if adapter["type"] == "none" else 0
    assert expected + tokenizer >= found, "told too large rather than too small"


@pytest.mark.parametrize(
    ("train", "is_evaluated", "number"),
    [
        ({}, False, 2),  # the last; one more by a signal
        ({}, True, 3),
        ({"save_every": 1}, False, 2 + 1),
        ({"save_every": 1}, True, 2 + 1 + 1),
        ({"save_every": 1, "keep_checkpoints": 5}, True, 5 + 1 + 1),
        ({"save_every": 8, "keep_checkpoints": 5}, False, 2 + 1),
    ],
)
def test_checkpoints_are_the_newest_the_best_and_one_being_written(
    train: dict[str, Any], is_evaluated: bool, number: int, tiny_recipe: Callable[..., Recipe]
) -> None:
    prepared = prepare_run(tiny_recipe(train=TRAIN | train))
    counted = count_checkpoints(prepared.plan, prepared.recipe, is_evaluated=is_evaluated)
    assert counted == number


@given(st.integers(1, 60), st.one_of(st.none(), st.integers(1, 70)), st.data())
def test_what_is_due_is_counted_as_if_one_by_one(
    total: int, every: int | None, data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, total))
    due = [
        step
        for step in range(first, total + 1)
        if step == total or (every is not None and step % every == 0)
    ]
    assert count_due(every, total, first_step=first) == len(due)


def test_a_whole_run_stays_within_what_was_told(
    train_tiny: Callable[..., Any], tiny_recipe: Callable[..., Recipe]
) -> None:
    sections = {"train": TRAIN | {"save_every": 2, "log_every": 1}, "eval": {"every": 4}}
    need = find_disk_need(prepare_run(tiny_recipe(**sections)))
    held = folder_bytes(train_tiny(**sections).folder)
    assert held <= need.disk_bytes <= 10 * held


def test_what_a_folder_holds_counts_as_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = tmp_path / "runs" / "mine"
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(disk_need.shutil, "disk_usage", lambda _: usage)
    assert count_free_bytes(absent) == usage.free
    (absent / "eval").mkdir(parents=True)
    (absent / "eval" / "old").write_bytes(bytes(5_000))
    assert count_free_bytes(absent) - usage.free >= 5_000


@pytest.fixture
def prepared(tiny_recipe: Callable[..., Recipe]) -> Prepared:
    return prepare_run(tiny_recipe())


def test_a_run_that_fits_is_told_what_it_needs(prepared: Prepared) -> None:
    assert check_disk(prepared).checkpoint_bytes == find_disk_need(prepared).checkpoint_bytes
    assert not Path(prepared.recipe.runs_dir).exists()


def test_a_run_that_does_not_fit_is_refused_with_what_it_needs_and_what_helps(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_need, "count_free_bytes", lambda _: 100 * 1024)
    with pytest.raises(RunDirError) as caught:
        check_disk(prepared)
    line = str(caught.value)
    need = find_disk_need(prepared)
    assert line.startswith(f"{prepared.recipe.runs_dir}: the run tiny needs ")
    assert f"{need.disk_bytes / 1024**2:,.1f} MiB of disk, 0.1 MiB are free" in line
    assert "a lower train.keep_checkpoints (now 2) keeps fewer" in line and "\n" not in line


def test_a_resumed_run_needs_no_more_than_it_would_from_the_start(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = find_disk_need(prepared)
    run = RunDir(Path(prepared.recipe.runs_dir) / prepared.recipe.name)
    run.path.mkdir(parents=True)
    (run.path / "written").write_bytes(bytes(need.disk_bytes // 2))
    usage = shutil.disk_usage(run.path)
    free = usage._replace(free=need.disk_bytes // 2 + 9)
    monkeypatch.setattr(disk_need.shutil, "disk_usage", lambda _: free)
    assert check_disk(prepared).disk_bytes == need.disk_bytes
