from collections.abc import Callable
from pathlib import Path

import pytest

from qarank.config.load import load_recipe
from qarank.config.schema import Recipe
from qarank.config.sweep_points import SweepPoint
from qarank.workflows.sweep_job import TRAVELLING, Share, build_job, job_paths, share_threads


def test_a_job_trains_the_points_own_recipe(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    point = SweepPoint("a", tiny_recipe(name="a"), group="a")
    job = build_job(tmp_path / "runs/x", point, Share(nproc=2, threads=3, num_gpus=2))
    recipe, log = job_paths(tmp_path / "runs/x", "a")
    assert load_recipe(recipe) == point.recipe
    assert job.command[1:6] == ["-m", "qarank", "train", str(recipe), "--resume"]
    assert job.command[-2:] == ["--nproc", "2"]
    assert (job.name, job.log, job.directory) == ("a", log, tmp_path)
    assert (job.num_gpus, job.num_threads, job.environment["OMP_NUM_THREADS"]) == (2, 6, "3")


def test_what_decides_results_goes_with_a_job_as_far_as_it_is_set(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in TRAVELLING:
        monkeypatch.delenv(name, raising=False)
    here = {"HF_HOME": "/shared/hub", "HF_TOKEN": "secret", "QARANK_CACHE": "/shared/features"}
    for name, value in here.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")  # of this machine alone
    job = build_job(tmp_path, SweepPoint("a", tiny_recipe(name="a"), group="a"), Share())
    assert job.environment == {"OMP_NUM_THREADS": "1", **here}
    assert "secret" not in repr(job)


@pytest.mark.parametrize(
    ("named", "asked", "expected"),
    [
        ({}, None, 4),
        ({}, 2, 2),
        ({"OMP_NUM_THREADS": "3"}, None, 3),
        ({"OMP_NUM_THREADS": "3"}, 2, 2),
        *(
            ({"OMP_NUM_THREADS": odd}, None, 4)
            for odd in ("0", "", "-2", "many", "2.5", "\N{SUPERSCRIPT TWO}")
        ),
    ],
)
def test_threads_are_as_asked_else_as_named_else_the_cores_shared(
    named: dict[str, str], asked: int | None, expected: int
) -> None:
    assert share_threads(named, asked=asked, num_processes=4, num_cores=16) == expected


def test_more_processes_than_cores_have_a_thread_each() -> None:
    assert share_threads({}, asked=None, num_processes=5, num_cores=2) == 1
