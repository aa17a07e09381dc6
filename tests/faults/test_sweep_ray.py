"""A sweep on a real Ray cluster of two nodes, one of which is lost on the way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.comparing import assert_same_run
from tests.faults.test_sweep_kill import finish, read_points, start, wait_for
from tests.jobs.ray_nodes import TwoNodes


@pytest.fixture
def nodes() -> Iterator[TwoNodes]:
    """Two nodes without GPUs."""
    cluster = TwoNodes(gpus_of_other=0)
    yield cluster
    cluster.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(900)  # a dozen processes start one after another
def test_on_two_nodes_it_is_as_here_though_one_is_lost(
    recipe_file: Path, tmp_path: Path, nodes: TwoNodes
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    options = ("--threads", "1", "--set", "train.max_steps=600")  # so that both run at a time
    finish(start(recipe_file, here, *options))
    process = start(recipe_file, there, "--executor", "ray", "--address", nodes.address, *options)
    points = [there / "run" / name for name in ("lora", "adalora")]
    wait_for(lambda: all(any(point.glob("checkpoints/step_*")) for point in points), process)
    nodes.kill_other()
    told = finish(process)
    assert "its node or worker was lost, it is run again" in told
    for point in points:
        assert_same_run(point, here / "run" / point.name)
    assert read_points(there / "run") == read_points(here / "run")
