import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from qarank.jobs.child import TAIL_BYTES, Child
from qarank.jobs.job import Job, JobEnd
from qarank.jobs.lifeline import LIFELINE
from tests.jobs.commands import SAVING, python_job, wait_until

ROOT_DIR = Path(__file__).parents[2]
StartChild = Callable[..., Child]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartChild]:
    """Starts Python code as a child; what still runs at the end is killed."""
    children: list[Child] = []

    def start(code: str, **settings: object) -> Child:
        children.append(Child(python_job("job", code, tmp_path, **settings)))
        return children[-1]

    yield start
    for child in children:
        child.close()


def wait_for(child: Child) -> JobEnd:
    wait_until(lambda: child.end is not None, "the child's end")
    assert child.end is not None
    return child.end


def test_what_it_prints_is_added_to_the_log_and_its_last_line_told(
    start: StartChild, tmp_path: Path
) -> None:
    (tmp_path / "job.log").write_text("an earlier start\n")
    code = "import sys; print('out', flush=True); sys.exit(' why it failed \\n\\n')"
    child = start(code)
    assert wait_for(child) == JobEnd(1, "why it failed")
    assert child.job.log.read_text() == "an earlier start\nout\n why it failed \n\n\n"


@pytest.mark.parametrize(
    ("printed", "last"),
    [
        (b"", ""),
        (b"\n \n", ""),
        (b"no end of line", "no end of line"),
        (b"caf\xe9\n", "caf\ufffd"),
        (b"x" * 3 * TAIL_BYTES, "x" * TAIL_BYTES),
    ],
    ids=["nothing", "blank", "cut", "not UTF-8", "long"],
)
def test_any_log_has_a_last_line(
    start: StartChild, tmp_path: Path, printed: bytes, last: str
) -> None:
    (tmp_path / "printed").write_bytes(printed)
    code = "import os, sys; os.write(1, open(sys.argv[1] + '/printed', 'rb').read())"
    assert wait_for(start(code)) == JobEnd(0, last)


def test_what_an_earlier_start_said_is_not_why_this_one_ended(
    start: StartChild, tmp_path: Path
) -> None:
    (tmp_path / "job.log").write_text("qarank: no such file\n")
    end = wait_for(start("import sys; sys.exit(3)"))
    assert (end, end.reason) == (JobEnd(3, ""), "it ended with exit code 3 and said nothing")


def test_a_log_that_is_taken_away_meanwhile_does_no_harm(start: StartChild, tmp_path: Path) -> None:
    child = start("import time; time.sleep(0.5)")
    (tmp_path / "job.log").unlink()
    assert wait_for(child) == JobEnd(0, "")


def test_the_jobs_environment_comes_before_the_one_that_is_there(
    start: StartChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THERE", "stays")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    names = ["THERE", "OMP_NUM_THREADS", LIFELINE]
    code = f"import os; print([os.environ[name] for name in {names}], os.getcwd())"
    child = start(code, environment={"OMP_NUM_THREADS": "3"})
    assert wait_for(child).last_line == f"['stays', '3', '1'] {child.job.directory}"


def test_a_terminals_signals_do_not_reach_it(start: StartChild) -> None:
    child = start("import os; print(os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid())")
    assert wait_for(child).last_line == "True True"


def test_stopped_it_saves_and_ends(start: StartChild, tmp_path: Path) -> None:
    child = start(SAVING)
    wait_until((tmp_path / "starts").exists, "its start")
    child.stop()
    assert wait_for(child) == JobEnd(128 + signal.SIGTERM, "saved")
    child.stop()  # nothing is left to stop


@pytest.mark.parametrize("own_session", [False, True])
def test_killed_it_takes_along_what_it_has_started(start: StartChild, own_session: bool) -> None:
    inner = "import os, time; print(os.getpid(), os.getsid(0), flush=True); time.sleep(120)"
    command = [sys.executable, "-c", inner]
    child = start(
        f"import subprocess; subprocess.Popen({command}, start_new_session={own_session}); input()"
    )
    wait_until(lambda: child.job.log.read_text().endswith("\n"), "what it has started")
    pid, session = map(int, child.job.log.read_text().split())
    assert (pid == session) == own_session
    started = psutil.Process(pid)
    child.kill()
    assert child.end is not None and child.end.exit_code == -signal.SIGKILL
    wait_until(lambda: not is_alive(started), "the end of what it has started")
    child.kill()  # nothing is left to kill


def test_let_go_of_it_ends_at_once(start: StartChild, tmp_path: Path) -> None:
    child = start(SAVING)
    wait_until((tmp_path / "starts").exists, "its start")
    child.close()
    assert child.end is not None and child.end.exit_code == -signal.SIGKILL
    child.close()


@pytest.mark.parametrize("change", ["command", "directory", "log"])
def test_one_that_cannot_be_started_is_an_error_of_the_system(tmp_path: Path, change: str) -> None:
    job = python_job("job", "pass", tmp_path)
    missing = tmp_path / "missing" / "x"
    broken: dict[str, Job] = {
        "command": replace(job, command=[str(missing)]),
        "directory": replace(job, directory=missing),
        "log": replace(job, log=missing),
    }
    with pytest.raises(FileNotFoundError, match="missing"), closing(Child(broken[change])):
        pass


def test_it_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from qarank.jobs.child import Child
from tests.jobs.commands import SAVING, python_job
child = Child(python_job("inner", SAVING, Path(sys.argv[1])))
time.sleep(60)
"""
    outer = Child(replace(python_job("outer", code, tmp_path), directory=ROOT_DIR))
    with closing(outer):
        wait_until((tmp_path / "starts").exists, "the inner child")
        inner = psutil.Process(int((tmp_path / "starts").read_text().split()[0]))
        parent = inner.parent()
        assert parent is not None
        parent.kill()  # it alone: nobody ends the inner one, which has a session of its own
        wait_until((tmp_path / "saved").exists, "what the inner child saves")
        wait_until(lambda: not is_alive(inner), "the inner child's end")


def is_alive(process: psutil.Process) -> bool:
    """A process that nobody has collected yet is dead."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
