import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.launching import Job, Launcher

AT_STEP_39 = {"moment": {"scope": "step", "step": 39, "number": 1}, "numbers": [signal.SIGSTOP]}


@pytest.fixture
def holder(launcher: Launcher, arguments: list[str], killed_run: Path) -> Iterator[Job]:
    """A command that holds its run's folder, and stands still in step 39."""
    job = launcher.start(*arguments, "--resume", send=AT_STEP_39)
    until = time.monotonic() + 30
    while state_of(job.pid) != "T":
        assert time.monotonic() < until and job.status is None, job.err
        time.sleep(0.01)
    yield job
    if job.status is None:
        job.send(signal.SIGKILL)
        launcher.wait(job)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def read_tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file, hidden ones too: which one it is, when it was written, what is in it."""
    stats = {path: path.stat() for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        str(path): (stat.st_ino, stat.st_mtime_ns, path.read_bytes())
        for path, stat in stats.items()
    }


def test_a_second_writer_is_told_who_the_first_is_and_changes_nothing(
    launcher: Launcher,
    arguments: list[str],
    holder: Job,
    killed_run: Path,
    assert_same: Callable[..., None],
) -> None:
    before = read_tree(killed_run)
    for option in ("--resume", "--overwrite"):
        ended = launcher.run(*arguments, option)
        assert ended.code == 2
        (line,) = ended.err.splitlines()
        assert f"process {holder.pid} on " in line and "has been writing here since" in line
        assert read_tree(killed_run) == before
    holder.send(signal.SIGCONT)
    first = launcher.wait(holder)
    assert first.code == 0, first.err
    assert_same(killed_run)


def test_the_lock_of_a_holder_killed_by_sigkill_is_taken_over(
    launcher: Launcher,
    arguments: list[str],
    holder: Job,
    killed_run: Path,
    assert_same: Callable[..., None],
) -> None:
    holder.send(signal.SIGKILL)
    assert launcher.wait(holder).code == -signal.SIGKILL
    ended = launcher.run(*arguments, "--resume")
    assert ended.code == 0, ended.err
    assert f"the lock of process {holder.pid} on " in ended.err
    assert "which has ended, is taken over" in ended.err
    assert_same(killed_run)
