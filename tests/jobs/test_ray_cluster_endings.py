"""How a sweep on Ray ends when something breaks at an odd moment; a stand-in plays Ray."""

import signal
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from ray import exceptions

from qarank.errors import LaunchError, LostProcessError
from qarank.jobs import ray_cluster
from qarank.jobs.ray_cluster import RayExecutor
from tests.jobs.commands import Record, python_job


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    """A cluster of one node with one CPU, whose answers are all there at once."""
    stand_in = MagicMock(exceptions=exceptions)
    stand_in.nodes.return_value = [{"Alive": True, "Resources": {"CPU": 1.0}}]
    stand_in.wait.side_effect = lambda answers, **_: (answers, [])
    monkeypatch.setattr(ray_cluster, "join_ray", lambda address: nullcontext(stand_in))
    return stand_in


def fail(error: Exception) -> None:
    raise error


def test_output_that_nobody_reads_is_no_lost_cluster(ray: MagicMock, tmp_path: Path) -> None:
    record = Record(on_tick=lambda: fail(BrokenPipeError("output")))
    with pytest.raises(BrokenPipeError, match="output"):
        RayExecutor(None).run([python_job("a", "", tmp_path)], record.watch)
    assert ray.kill.called, "its job is stopped"


def test_a_connection_that_is_gone_is_a_lost_cluster(ray: MagicMock, tmp_path: Path) -> None:
    ray.get.side_effect = ConnectionError("no answer")
    with pytest.raises(LostProcessError, match=r"^the Ray cluster is gone: no answer$"):
        RayExecutor(None).run([python_job("a", "", tmp_path)], Record().watch)


@pytest.mark.parametrize("is_stopping", [True, False])
def test_a_job_whose_node_is_lost_while_it_stops_has_been_stopped(
    ray: MagicMock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_stopping: bool
) -> None:
    monkeypatch.setattr(ray_cluster, "MOST_STARTS", 1)
    ray.get.side_effect = [None, exceptions.RayActorError()]  # it has started; its end is lost
    record = Record(should_stop=lambda: is_stopping and "a started" in record.told)
    RayExecutor(None).run([python_job("a", "", tmp_path)], record.watch)
    assert record.exit_codes == {"a": 128 + signal.SIGTERM if is_stopping else 3}
    assert record.ends["a"].last_line.startswith("its node or worker was lost: ")


def test_too_many_threads_for_any_node_are_told_with_the_way_out(
    ray: MagicMock, tmp_path: Path
) -> None:
    job = python_job("a", "", tmp_path, num_threads=2)
    with pytest.raises(LaunchError, match=r"have 0 GPUs and 1 CPU; --threads asks for fewer CPUs$"):
        RayExecutor(None).run([job], Record().watch)
    assert not ray.remote.called
