import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from qarank.artifacts.lock import lock_folder
from qarank.errors import RunDirError

HOLD = """
import sys
import threading
from pathlib import Path
from qarank.artifacts.lock import lock_folder
with lock_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.communicate()  # end of its input: it lets go and ends


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_who_holds_a_folder_stands_in_it_only_meanwhile(tmp_path: Path) -> None:
    with lock_folder(tmp_path):
        holder = json.loads((tmp_path / ".holder.json").read_text())
        assert names_in(tmp_path) == [".holder.json", ".lock"]
    assert holder["pid"] == os.getpid() and holder["host"]
    since = datetime.fromisoformat(holder["since"])
    assert abs(datetime.now(UTC) - since) < timedelta(minutes=1)
    assert names_in(tmp_path) == [".lock"]


def test_another_process_that_writes_is_named(tmp_path: Path) -> None:
    with held_by_another_process(tmp_path) as other:
        told = rf": process {other.pid} on \S+ has been writing here since \S+\+00:00$"
        with pytest.raises(RunDirError, match=told), lock_folder(tmp_path):
            pass
        assert names_in(tmp_path) == [".holder.json", ".lock"], "the other's, left alone"
    with lock_folder(tmp_path):  # free again
        pass


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"pid": 3}'])
def test_one_that_has_not_said_who_it_is_is_another_process(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / ".holder.json").write_text(content)
    told = r": another process is writing here$"
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(RunDirError, match=told),
        lock_folder(tmp_path),
    ):
        pass


def test_the_lock_of_a_killed_process_is_taken_over_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with held_by_another_process(tmp_path) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert names_in(tmp_path) == [".holder.json", ".lock"]
    with caplog.at_level(logging.INFO, "qarank"), lock_folder(tmp_path):
        assert json.loads((tmp_path / ".holder.json").read_text())["pid"] == os.getpid()
    (record,) = caplog.records
    assert record.name == "qarank" and record.levelname == "INFO"
    assert record.getMessage().startswith(f"{tmp_path}: the lock of process {other.pid} on ")
    assert record.getMessage().endswith(", which has ended, is taken over")


def test_a_free_lock_is_taken_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "qarank"):
        for _ in range(2):
            with lock_folder(tmp_path):
                pass
    assert not caplog.records


def test_the_lock_is_let_go_at_the_end_and_after_an_error(tmp_path: Path) -> None:
    lock = lock_folder(tmp_path)  # somebody holds on to the object
    with lock:
        pass
    with pytest.raises(KeyError), lock_folder(tmp_path):
        raise KeyError("x")
    with held_by_another_process(tmp_path):
        pass


def test_a_holder_file_that_is_gone_does_not_keep_the_lock(tmp_path: Path) -> None:
    with lock_folder(tmp_path):
        (tmp_path / ".holder.json").unlink()
    with lock_folder(tmp_path):
        pass


def test_a_folder_that_cannot_be_locked_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(RunDirError, match=r"file cannot be locked: \w.*$"), lock_folder(path):
        pass


def test_a_writer_is_waited_for_as_long_as_asked(tmp_path: Path) -> None:
    with held_by_another_process(tmp_path) as other:
        told = f"process {other.pid}"
        with pytest.raises(RunDirError, match=told), lock_folder(tmp_path, wait_s=0.2):
            pass
        assert other.stdin is not None
        timer = threading.Timer(0.3, other.stdin.close)  # then it lets go
        timer.start()
        with lock_folder(tmp_path, wait_s=60):
            assert json.loads((tmp_path / ".holder.json").read_text())["pid"] == os.getpid()
        timer.join()
        other.stdin = None  # closed by now
