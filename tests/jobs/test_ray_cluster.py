"""On a real Ray cluster of two nodes that this machine plays; see ray_nodes.py."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from qarank.errors import LaunchError, LostProcessError
from qarank.jobs import ray_cluster, ray_session
from qarank.jobs.job import NOT_STARTED, Job
from qarank.jobs.local import LocalExecutor
from qarank.jobs.ray_cluster import RayExecutor
from tests.jobs.commands import (
    Record,
    python_job,
    read_starts,
    saving_job,
    wait_until,
)
from tests.jobs.ray_nodes import TwoNodes

ROOT_DIR = Path(__file__).parents[2]
# Two jobs that wait for each other, so they run at the same time: on two nodes of one CPU each.
MEETING = """
import os, sys, time
from pathlib import Path
me, other = Path(sys.argv[1]) / sys.argv[2], Path(sys.argv[1]) / sys.argv[3]
me.write_text(os.environ.get("RAY_RAYLET_PID", "-"))
end = time.monotonic() + 120
while not other.exists() and time.monotonic() < end:
    time.sleep(0.05)
print("met" if other.exists() else "alone")
"""
SETTINGS = """
import os, signal
names = ["OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "ASKED"]
print([os.environ[name] for name in names], os.getcwd(), signal.pthread_sigmask(0, []))
"""
COUNTED = "import os, sys; print(file=open(sys.argv[1] + '/counts', 'a')); "


@pytest.fixture(scope="module")
def cluster() -> Iterator[TwoNodes]:
    nodes = TwoNodes()
    yield nodes
    nodes.shutdown()


@pytest.fixture
def nodes(cluster: TwoNodes, monkeypatch: pytest.MonkeyPatch) -> TwoNodes:
    """Both alive; that there is a cluster need not be asked each time."""
    cluster.renew_other()
    monkeypatch.setattr(ray_session, "_require_answer", lambda address: None)
    return cluster


def make_jobs(folder: Path) -> list[Job]:
    """Of each kind one: good, failing, killed, not to be started, and two that meet."""
    folder.mkdir()
    meeting = [python_job(name, MEETING, folder) for name in ("meets", "met")]
    settings = {"OMP_NUM_THREADS": "3", "ASKED": "yes"}
    return [
        replace(meeting[0], command=[*meeting[0].command, "one", "two"]),
        replace(meeting[1], command=[*meeting[1].command, "two", "one"]),
        python_job("settings", SETTINGS, folder, environment=settings, num_gpus=1),
        python_job("fails", COUNTED + "print('step 1'); sys.exit('no such file')", folder),
        python_job("killed", COUNTED + "os.kill(os.getpid(), 9)", folder),
        replace(python_job("unknown", "", folder), command=[str(folder / "missing")]),
    ]


def test_jobs_spread_over_the_nodes_and_end_as_they_do_on_one_machine(
    nodes: TwoNodes, tmp_path: Path
) -> None:
    there, here = Record(), Record()
    RayExecutor(nodes.address).run(make_jobs(tmp_path / "there"), there.watch)
    LocalExecutor([("0",), ("0",)]).run(make_jobs(tmp_path / "here"), here.watch)
    met = [(tmp_path / "there" / name).read_text() for name in ("one", "two")]
    assert sorted(met) == sorted(nodes.pids), "one on each"
    assert there.ends.pop("unknown").exit_code == here.ends.pop("unknown").exit_code == NOT_STARTED
    assert {name: (end.exit_code, end.reason) for name, end in there.ends.items()} == {
        name: (end.exit_code, end.reason.replace("/here", "/there"))
        for name, end in here.ends.items()
    }
    assert there.ends["settings"].last_line == f"['3', '0', 'yes'] {tmp_path}/there set()"
    assert there.exit_codes == {"meets": 0, "met": 0, "settings": 0, "fails": 1, "killed": -9}
    assert sorted(there.told) == sorted(here.told), "each started once, unless it could not be"
    counts = [(tmp_path / where / "counts").read_text() for where in ("there", "here")]
    assert counts == ["\n\n", "\n\n"], "what fails by itself is not run again"


def test_the_job_of_a_killed_node_goes_on_on_another(
    nodes: TwoNodes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = [saving_job(name, tmp_path) for name in ("one", "two")]
    steps: list[str] = []

    def lost_and_kept() -> tuple[Job, Job]:
        one, two = jobs
        return (one, two) if read_starts(one)[0][1] == nodes.pids[1] else (two, one)

    def act() -> None:
        if not steps and all(read_starts(job) for job in jobs):
            steps.append("killed")
            nodes.kill_other()
        elif steps == ["killed"] and (lost_and_kept()[0].directory / "saved").exists():
            steps.append("freed")  # the node that is left
            os.kill(int(read_starts(lost_and_kept()[1])[0][0]), signal.SIGTERM)

    record = Record(on_tick=act)
    RayExecutor(nodes.address).run(jobs, record.watch)
    lost, kept = lost_and_kept()
    assert [node for _, node in read_starts(lost)] == [nodes.pids[1], nodes.pids[0]]
    assert (record.ends[lost.name].exit_code, record.ends[lost.name].last_line) == (
        0,
        "went on from what was saved",
    )
    assert record.exit_codes[kept.name] == 128 + signal.SIGTERM and len(read_starts(kept)) == 1
    assert record.told.count(f"{lost.name} started") == 2
    (message,) = caplog.messages
    assert message.startswith(f"{lost.name}: its node or worker was lost, it is run again: ")


def test_a_job_that_loses_every_worker_is_given_up(
    nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "MOST_STARTS", 2)
    code = COUNTED + "os.kill(os.getppid(), 9); sys.stdin.read()"
    jobs = [python_job("loses", code, tmp_path), python_job("good", "print('done')", tmp_path)]
    record = Record()
    RayExecutor(nodes.address, num_jobs=1).run(jobs, record.watch)
    assert (tmp_path / "counts").read_text() == "\n\n"
    assert record.exit_codes == {"loses": 3, "good": 0}
    assert record.ends["loses"].reason.startswith("its node or worker was lost, as 1 before it: ")
    assert record.told[-3:] == ["loses ended", "good started", "good ended"], "one at a time"


def test_asked_to_stop_it_waits_for_what_runs_and_starts_no_more(
    nodes: TwoNodes, tmp_path: Path
) -> None:
    jobs = [saving_job(name, tmp_path) for name in "abc"]
    record = Record(should_stop=lambda: sum(bool(read_starts(job)) for job in jobs) == 2)
    RayExecutor(nodes.address).run(jobs, record.watch)
    assert list(record.exit_codes.values()) == [128 + signal.SIGTERM] * 2
    assert {end.last_line for end in record.ends.values()} == {"saved"}
    assert sorted(record.told) == sorted(
        f"{name} {what}" for name in record.ends for what in ("started", "ended")
    )


def test_whoever_leaves_at_once_lets_what_runs_save(nodes: TwoNodes, tmp_path: Path) -> None:
    job = saving_job("a", tmp_path)

    def leave() -> None:
        if read_starts(job):
            sys.exit(130)

    with pytest.raises(SystemExit, match="130"):
        RayExecutor(nodes.address).run([job], Record(on_tick=leave).watch)
    wait_until((job.directory / "saved").exists, "what it saves")


def test_what_no_node_can_give_is_refused_in_a_line(nodes: TwoNodes, tmp_path: Path) -> None:
    job = saving_job("greedy", tmp_path, num_gpus=4)
    told = (
        r"^greedy needs 4 GPUs and 1 CPU on one node; the cluster's nodes have 1 GPU and 1 CPU, "
        "or 0 GPUs and 1 CPU$"
    )
    with pytest.raises(LaunchError, match=told):
        RayExecutor(nodes.address).run([job], Record().watch)
    assert not read_starts(job)


def test_nodes_that_do_not_come_back_are_not_waited_for_without_end(
    nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "PATIENCE_S", 0.5)
    monkeypatch.setattr(ray_cluster, "ROOM_POLL_S", 0.2)
    job, ended = saving_job("a", tmp_path, num_gpus=1), list[str]()

    def end_its_node() -> None:
        if read_starts(job) and not ended:
            ended.append("node")
            nodes.end_other()

    told = r"^nodes that were lost have not come back: a needs 1 GPU and 1 CPU on one node; "
    with pytest.raises(LostProcessError, match=told):
        RayExecutor(nodes.address).run([job], Record(on_tick=end_its_node).watch)
    wait_until((job.directory / "saved").exists, "what it saves")


def start_driver(code: str, *arguments: object, **environment: str) -> "subprocess.Popen[str]":
    """A process that uses an executor, as a terminal's foreground job."""
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=ROOT_DIR,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_jobs_of_a_killed_driver_save_and_end(nodes: TwoNodes, tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from qarank.jobs.job import Watch
from qarank.jobs.ray_cluster import RayExecutor
from tests.jobs.commands import saving_job
RayExecutor(sys.argv[2]).run([saving_job("a", Path(sys.argv[1]))], Watch())
"""
    with start_driver(code, tmp_path, nodes.address) as driver:
        wait_until((tmp_path / "a" / "starts").exists, "its job", timeout_s=120)
        driver.kill()
        wait_until((tmp_path / "a" / "saved").exists, "what the job saves")


def test_a_cluster_of_this_machine_obeys_ctrl_c_says_nothing_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    code = """
import json, signal, sys
from pathlib import Path
from qarank.jobs.ray_cluster import RayExecutor
from tests.jobs.commands import Record, saving_job
heard = []
handle = lambda number, frame: heard.append(number)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, handle)
record = Record(should_stop=lambda: bool(heard))
RayExecutor(None).run([saving_job("a", Path(sys.argv[1]))], record.watch)
kept = signal.getsignal(signal.SIGTERM) is handle
print(json.dumps({"codes": record.exit_codes, "heard": heard, "kept": kept}))
"""
    with (
        tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder,
        start_driver(code, tmp_path, HOME=str(tmp_path), RAY_TMPDIR=folder) as driver,
    ):
        wait_until((tmp_path / "a" / "starts").exists, "its job", timeout_s=120)
        started = psutil.Process(driver.pid).children(recursive=True)
        os.killpg(driver.pid, signal.SIGINT)
        out, error = driver.communicate(timeout=120)
    assert json.loads(out) == {"codes": {"a": 143}, "heard": [signal.SIGINT], "kept": True}
    assert error == ""
    assert len(started) > 3, "Ray was there"
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive
