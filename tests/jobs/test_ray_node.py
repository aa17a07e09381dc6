import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

from qarank.jobs.job import NOT_STARTED, JobEnd
from qarank.jobs.ray_node import JobOnNode, no_signals_blocked
from tests.jobs.commands import SAVING, python_job, read_starts, saving_job, wait_until

ROOT_DIR = Path(__file__).parents[2]


def test_what_came_of_the_process_is_told(tmp_path: Path) -> None:
    on_node = JobOnNode(python_job("a", "import sys; sys.exit('why')", tmp_path))
    assert on_node.start() is None
    assert on_node.wait() == JobEnd(1, "why")


def test_it_can_be_stopped_by_another_thread_than_the_one_that_waits(tmp_path: Path) -> None:
    job = saving_job("a", tmp_path)
    on_node, ends = JobOnNode(job), list[JobEnd]()
    on_node.stop()  # nothing runs yet
    assert on_node.start() is None
    waiting = threading.Thread(target=lambda: ends.append(on_node.wait()))
    waiting.start()
    wait_until(lambda: read_starts(job), "its start")
    on_node.stop()
    waiting.join(timeout=20)
    assert ends == [JobEnd(128 + signal.SIGTERM, "saved")]


def test_one_that_cannot_be_started_is_told_with_its_machine(tmp_path: Path) -> None:
    job = replace(python_job("a", "", tmp_path), log=tmp_path / "not shared" / "log")
    end = JobOnNode(job).start()
    assert end is not None and end.exit_code == NOT_STARTED
    assert end.last_line.startswith("it cannot be started on ") and "not shared" in end.last_line


def test_its_process_hears_signals_that_the_worker_blocks(tmp_path: Path) -> None:
    code = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    blocked = {signal.SIGINT, signal.SIGUSR2}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        on_node = JobOnNode(python_job("a", code, tmp_path))
        on_node.start()
        assert on_node.wait() == JobEnd(0, "set()")
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) >= blocked, "here they are blocked"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with no_signals_blocked():
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_worker_whose_node_is_gone_ends_and_its_job_saves(tmp_path: Path) -> None:
    worker = """
import sys
from pathlib import Path
from qarank.jobs.ray_node import JobOnNode
from tests.jobs.commands import SAVING, python_job
on_node = JobOnNode(python_job("a", SAVING, Path(sys.argv[1])))
on_node.start()
print("started", flush=True)
on_node.wait()
"""
    node = """
import subprocess, sys
worker = subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]], stdout=subprocess.PIPE)
worker.stdout.readline()
"""
    assert "sleep(120)" in SAVING, "it does not end by itself"
    command = [sys.executable, "-c", node, worker, str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT_DIR, timeout=60)
    wait_until((tmp_path / "saved").exists, "what the job saves")
