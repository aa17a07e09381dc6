import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from qarank.engine.launch import _judge, thread_settings
from qarank.errors import LostProcessError
from tests.jobs.commands import wait_until

# Takes the place of a worker's Python, whatever it is to run.
WORKER = """
import os, signal, sys, time
from pathlib import Path
from qarank.jobs.lifeline import hold_lifeline

here = Path(__file__).parent

def stop(number, frame):
    (here / f"saved {os.getpid()}").touch()
    sys.exit(128 + number)

signal.signal(signal.SIGTERM, stop)
hold_lifeline(lambda: sys.stdin.buffer)
(here / f"started {os.getpid()}").touch()
time.sleep(120)
"""
LAUNCH = """
import sys
from qarank.engine.launch import launch_processes
sys.executable = sys.argv[1]
launch_processes([], nproc=2)
"""


@pytest.mark.parametrize(
    ("nproc", "num_cores", "threads"), [(2, 16, "8"), (3, 16, "5"), (8, 4, "1"), (1, 6, "6")]
)
def test_cores_are_shared_out_to_processes(nproc: int, num_cores: int, threads: str) -> None:
    assert thread_settings({}, nproc=nproc, num_cores=num_cores) == {"OMP_NUM_THREADS": threads}


def test_what_the_user_says_of_threads_stays() -> None:
    assert thread_settings({"OMP_NUM_THREADS": "3"}, nproc=2, num_cores=16) == {}


@pytest.mark.parametrize(
    "codes", [{0: 2, 1: 2}, {1: 3}, {0: -signal.SIGTERM, 1: 3}, {0: 3, 1: -signal.SIGTERM}]
)
def test_a_process_that_ended_by_itself_gives_the_exit_code(codes: dict[int, int]) -> None:
    assert _judge(codes) == max(codes.values())


@pytest.mark.parametrize(
    "codes",
    [
        {1: -signal.SIGKILL},
        {0: 3, 1: -signal.SIGKILL},
        {0: -signal.SIGTERM, 1: -signal.SIGKILL},
    ],
)
def test_a_killed_process_is_named_with_its_signal(codes: dict[int, int]) -> None:
    with pytest.raises(LostProcessError, match=r"^process 1 was ended by SIGKILL$"):
        _judge(codes)


def test_processes_that_only_sigterm_ended_are_lost_too() -> None:
    with pytest.raises(LostProcessError, match=r"^process 0 was ended by SIGTERM$"):
        _judge({0: -signal.SIGTERM, 1: -signal.SIGTERM})


def test_workers_of_a_killed_launcher_save_and_end(tmp_path: Path) -> None:
    worker = tmp_path / "worker"
    worker.write_text(f"#!{sys.executable}{WORKER}")
    worker.chmod(0o755)
    with subprocess.Popen([sys.executable, "-c", LAUNCH, str(worker)]) as launcher:
        wait_until(lambda: len(list(tmp_path.glob("started *"))) == 2, "two workers")
        workers = psutil.Process(launcher.pid).children()
        launcher.kill()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive
    pids = sorted(int(path.name.split()[1]) for path in tmp_path.glob("saved *"))
    assert pids == sorted(each.pid for each in workers) and len(pids) == 2
