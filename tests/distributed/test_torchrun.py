"""The command lines of the README: torchrun, --nproc, several machines."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from qarank.config.schema import Recipe
from tests.distributed.launching import launch, torchrun
from tests.distributed.processes import free_port
from tests.distributed.runs import assert_equal, assert_same_rounds, finish_on, read_run

TWO = ("--standalone", "--nproc-per-node", 2)


def start_by(launcher: str, recipe: Path, *words: str) -> list[str]:
    """A command line that trains on two processes."""
    train = ["train", str(recipe), *words]
    if launcher == "torchrun":
        return [*torchrun(*TWO), *train]
    return ["qarank", *train, "--nproc", "2"]


@pytest.mark.parametrize("launcher", ["torchrun", pytest.param("--nproc", marks=pytest.mark.slow)])
def test_programs_get_one_document_of_a_run_equal_to_one_process(
    telling_recipe: Callable[..., Recipe], recipe_path: Path, tmp_path: Path, launcher: str
) -> None:
    with launch(tmp_path, *start_by(launcher, recipe_path, "--json")) as job:
        ended = job.finish()
    assert ended.code == 0, ended.err
    folder = tmp_path / "runs/tiny"
    assert json.loads(ended.out) == read_run(folder)
    one = finish_on(1, telling_recipe(name="on_one"))
    assert_same_rounds(one, folder, start_budget=96)
    assert_equal(one, folder)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["torchrun", "--nproc"])
def test_people_get_one_table(recipe_path: Path, tmp_path: Path, launcher: str) -> None:
    with launch(tmp_path, *start_by(launcher, recipe_path, "-q")) as job:
        ended = job.finish()
    assert ended.code == 0, ended.err
    assert ended.out.count("best checkpoint") == 1
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("rendezvous", ["c10d", pytest.param("static", marks=pytest.mark.slow)])
def test_two_agents_of_one_process_each_finish_a_run(
    recipe_path: Path, tmp_path: Path, rendezvous: str
) -> None:
    port = free_port()
    options: list[object] = ["--nnodes", 2, "--nproc-per-node", 1]
    by_place: list[list[object]] = [[], []]
    if rendezvous == "c10d":
        options += ["--rdzv-backend", "c10d", "--rdzv-id", "run"]
        options += ["--rdzv-endpoint", f"127.0.0.1:{port}"]
    else:
        options += ["--master-addr", "127.0.0.1", "--master-port", port]
        by_place = [["--node-rank", place] for place in range(2)]
    with ExitStack() as stack:
        jobs = [
            stack.enter_context(
                launch(tmp_path, *torchrun(*options, *own), "train", recipe_path, "--json")
            )
            for own in by_place
        ]
        ended = [job.finish() for job in jobs]
    assert [agent.code for agent in ended] == [0, 0], [agent.err for agent in ended]
    run = read_run(tmp_path / "runs/tiny")
    assert (run["state"], run["hardware"]["processes"]) == ("finished", 2)
    assert [json.loads(agent.out) for agent in ended if agent.out] == [run]
