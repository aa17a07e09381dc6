from collections.abc import Callable
from pathlib import Path

import pytest

import qarank.workflows.sweep_setup as module
from qarank.artifacts.run_dir import RunDir
from qarank.config.schema import Recipe
from qarank.config.sweep_points import SweepPoint, expand_points
from qarank.errors import LaunchError, RecipeError, RunDirError
from qarank.jobs.local import LocalExecutor
from qarank.workflows.sweep_ledger import SweepLedger
from qarank.workflows.sweep_output import write_report
from qarank.workflows.sweep_setup import (
    OWN_NAMES,
    SweepOptions,
    check_sweep_dir,
    choose_executor,
    choose_points,
    visible_gpus,
)

Recipes = Callable[..., Recipe]
GRID = {"grid": {"adapter.r": [2, 3]}, "seeds": [1, 2]}


@pytest.fixture
def points(tiny_recipe: Recipes) -> list[SweepPoint]:
    return expand_points(tiny_recipe(sweep=GRID))


@pytest.mark.parametrize(
    ("only", "chosen"),
    [
        ([], "0123"),
        (["*"], "0123"),
        (["r2_*"], "01"),
        (["*seed1"], "02"),
        (["r3_seed[2]"], "3"),
        (["r3_seed2", "r2_seed1", "r2_*1"], "03"),
    ],
)
def test_patterns_choose_points_by_whole_names(
    points: list[SweepPoint], only: list[str], chosen: str
) -> None:
    assert choose_points(points, only) == [points[int(number)] for number in chosen]


def test_a_pattern_that_fits_nothing_names_what_there_is(points: list[SweepPoint]) -> None:
    with pytest.raises(RecipeError, match=r"--only r2 fits none of the 4 points: r2_seed1, "):
        choose_points(points, ["r3_*", "r2"])


def test_a_run_is_no_place_for_a_sweep(points: list[SweepPoint], tmp_path: Path) -> None:
    check_sweep_dir(tmp_path / "new", points)
    RunDir(tmp_path).write_run({"state": "failed"})
    with pytest.raises(RunDirError, match="holds a run"):
        check_sweep_dir(tmp_path, points)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "folder") for name in ("jobs", "earlier", "Jobs")),
        *((name, "file") for name in ("report.html", "budget.png", "summary.json", "Summary.MD")),
    ],
)
def test_the_sweeps_own_folders_and_files_are_no_names(
    tiny_recipe: Recipes, tmp_path: Path, name: str, kind: str
) -> None:
    with pytest.raises(RecipeError, match=f"named {name}, as is a {kind} of the sweep's own"):
        check_sweep_dir(tmp_path, [SweepPoint(name, tiny_recipe(), group=name)])


def test_no_point_can_have_the_name_of_anything_that_a_sweep_writes(
    tiny_recipe: Recipes, points: list[SweepPoint], tmp_path: Path
) -> None:
    write_report(tiny_recipe(sweep=GRID), tmp_path, SweepLedger(points))
    written = {entry.name for entry in tmp_path.iterdir()}
    assert {"report.html", "summary.md"} < written <= set(OWN_NAMES)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A machine with so many GPUs, and what CUDA_VISIBLE_DEVICES says."""

    def arrange(count: int, named: str | None = None) -> None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        monkeypatch.setattr(module.torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(module.os, "cpu_count", lambda: 16)
        if named is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)

    return arrange


def test_gpus_are_named_as_the_environment_names_them(gpus: Callable[..., None]) -> None:
    gpus(2)
    assert visible_gpus() == ["0", "1"]
    gpus(2, "5, GPU-8a")
    assert visible_gpus() == ["5", "GPU-8a"]
    gpus(0, "")
    assert visible_gpus() == []


def test_gpus_are_handed_out_as_many_as_a_point_has_processes(
    tiny_recipe: Recipes, gpus: Callable[..., None]
) -> None:
    gpus(5, "3,4,5,6,7")
    executor, share = choose_executor(tiny_recipe(sweep=GRID), SweepOptions(nproc=2))
    assert isinstance(executor, LocalExecutor)
    assert executor.places == [("3", "4"), ("5", "6")]
    assert (share.nproc, share.num_gpus, share.threads) == (2, 2, 4)


def test_without_gpus_the_cores_are_shared(tiny_recipe: Recipes, gpus: Callable[..., None]) -> None:
    gpus(0)
    executor, share = choose_executor(tiny_recipe(sweep=GRID), SweepOptions(jobs=3))
    assert isinstance(executor, LocalExecutor)
    assert executor.places == [(), (), ()]
    assert (share.num_gpus, share.threads) == (0, 5)


def test_an_address_needs_ray(tiny_recipe: Recipes) -> None:
    with pytest.raises(LaunchError, match="--address is a Ray cluster's: it goes with --executor"):
        choose_executor(tiny_recipe(sweep=GRID), SweepOptions(address="auto"))
