"""Workers killed, and signals to launchers: what recovers, what stops, and how it says so."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from qarank.config.schema import Recipe
from tests.distributed.launching import launch, torchrun
from tests.distributed.runs import assert_bit_equal, finish_on, read_run

RESTARTING = ("--standalone", "--nproc-per-node", 2, "--max-restarts", 1)
LONG = {"max_steps": 80, "micro_batch_size": 3, "save_every": 10}


@pytest.fixture
def long_recipe(telling_recipe: Callable[..., Recipe]) -> Callable[..., Recipe]:
    """A recipe with dropout, of enough steps to be caught in the middle of."""

    def build(name: str = "tiny", **train: object) -> Recipe:
        return telling_recipe(name=name, model={"dropout": 0.1}, train={**LONG, **train})

    return build


@pytest.fixture
def write_long(long_recipe: Callable[..., Recipe], tmp_path: Path) -> Callable[..., Path]:
    """Writes that recipe as a file."""

    def write(**train: object) -> Path:
        path = tmp_path / "long.yaml"
        path.write_text(yaml.safe_dump(long_recipe(**train).model_dump(exclude_unset=True)))
        return path

    return write


def has_lines(folder: Path, count: int) -> bool:
    metrics = folder / "metrics.jsonl"
    return metrics.is_file() and len(metrics.read_text().splitlines()) >= count


def test_torchrun_restarts_a_run_whose_worker_was_killed_to_the_same_bits(
    long_recipe: Callable[..., Recipe], write_long: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "runs/tiny"
    with launch(tmp_path, *torchrun(*RESTARTING), "train", write_long()) as job:
        job.wait_until((folder / "checkpoints/step_000010").is_dir)
        job.worker(1).kill()
        ended = job.finish()
    assert ended.code == 0, ended.err
    assert len(read_run(folder)["resumed"]) == 1
    assert_bit_equal(finish_on(2, long_recipe("whole")), folder)


@pytest.mark.slow
def test_a_restart_before_any_checkpoint_starts_over(
    long_recipe: Callable[..., Recipe], write_long: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "runs/tiny"
    recipe = write_long(save_every=None)
    with launch(tmp_path, *torchrun(*RESTARTING), "train", recipe, "--overwrite") as job:
        job.wait_until(lambda: has_lines(folder, 3))
        job.worker(1).kill()
        ended = job.finish()
    assert ended.code == 0, ended.err
    assert "resumed" not in read_run(folder)
    assert_bit_equal(finish_on(2, long_recipe("whole", save_every=None)), folder)


@pytest.mark.slow
def test_nproc_restarts_a_run_as_torchrun_does(
    long_recipe: Callable[..., Recipe], write_long: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "runs/tiny"
    words = ("train", write_long(), "--nproc", 2, "--max-restarts", 1)
    with launch(tmp_path, "qarank", *words) as job:
        job.wait_until((folder / "checkpoints/step_000010").is_dir)
        job.worker(1).kill()
        ended = job.finish()
    assert ended.code == 0, ended.err
    assert_bit_equal(finish_on(2, long_recipe("whole")), folder)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_nproc_ends_a_run_whose_worker_was_killed_and_says_how_to_go_on(
    write_long: Callable[..., Path], tmp_path: Path, rank: int
) -> None:
    recipe, folder = write_long(), tmp_path / "runs/tiny"
    with launch(tmp_path, "qarank", "train", recipe, "--nproc", 2) as job:
        job.wait_until((folder / "checkpoints/step_000010").is_dir)
        job.worker(rank).kill()
        ended = job.finish()
    assert ended.code == 3, ended.err
    assert "Traceback" not in ended.err
    assert ended.err.splitlines()[-1] == (
        f"qarank: process {rank} was ended by SIGKILL; "
        f"go on with qarank train {recipe} --nproc 2 --resume"
    )


def test_nproc_hands_signals_on_saves_stops_and_goes_on(
    long_recipe: Callable[..., Recipe], write_long: Callable[..., Path], tmp_path: Path
) -> None:
    recipe, folder = write_long(save_every=None), tmp_path / "runs/tiny"
    words = ("train", recipe, "--nproc", 2)
    with launch(tmp_path, "qarank", *words) as job:
        job.wait_until(lambda: has_lines(folder, 3))
        job.process.send_signal(signal.SIGUSR1)
        job.wait_until(lambda: any(folder.glob("checkpoints/step_*")))
        saved = {path.name for path in folder.glob("checkpoints/step_*")}
        job.process.send_signal(signal.SIGTERM)
        ended = job.finish()
    assert ended.code == 128 + signal.SIGTERM, ended.err
    lines = [line for line in ended.err.splitlines() if line.startswith("qarank: ")]
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("qarank: stopped by SIGTERM after step ")
    assert lines[0].endswith(f"go on with qarank train {recipe} --nproc 2 --resume")
    (stopped_at,) = {path.name for path in folder.glob("checkpoints/step_*")} - saved
    with launch(tmp_path, "qarank", *words, "--resume", "-q") as job:
        ended = job.finish()
    assert (ended.code, ended.err) == (0, "")
    assert [entry["from"] for entry in read_run(folder)["resumed"]] == [stopped_at]
    assert_bit_equal(finish_on(2, long_recipe("whole", save_every=None)), folder)
