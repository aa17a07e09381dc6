import os
import signal
import subprocess
import sys
import threading

import pytest

from qarank.jobs.lifeline import LIFELINE, hold_lifeline

HOLD = """
import signal, sys, time
from qarank.jobs.lifeline import hold_lifeline

def stop(number, frame):
    print("saved", flush=True)
    sys.exit(128 + number)

signal.signal(signal.SIGTERM, stop)
hold_lifeline(lambda: sys.stdin.buffer)
print("held", flush=True)
time.sleep(float(sys.argv[1]))
"""


def start(seconds: float, *, is_job: bool = True) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **({LIFELINE: "1"} if is_job else {})}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(seconds)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    return process


def test_a_job_saves_and_ends_when_its_lifeline_breaks() -> None:
    with start(60) as process:
        out, error = process.communicate(timeout=20)  # closes its standard input
    assert (process.returncode, out, error) == (143, b"saved\n", b"")


def test_a_job_that_ends_first_ends_as_if_there_were_no_lifeline() -> None:
    with start(0.2) as process:
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None and process.stderr.read() == b""


def test_a_process_that_is_no_job_does_not_look_at_its_input() -> None:
    with start(0.5, is_job=False) as process:
        out, error = process.communicate(timeout=20)
    assert (process.returncode, out, error) == (0, b"", b"")


def test_no_job_needs_no_input_and_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIFELINE, raising=False)
    before = threading.active_count()
    hold_lifeline(lambda: pytest.fail("asked for standard input"))
    assert threading.active_count() == before


def test_what_a_job_starts_holds_no_lifeline_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIFELINE, "1")
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: heard.append(number))
    reading, writing = os.pipe()
    try:
        with open(reading, "rb") as stream:
            hold_lifeline(lambda: stream, number=signal.SIGUSR2)
            assert LIFELINE not in os.environ
        os.close(writing)
        for thread in threading.enumerate():
            if thread.name == "lifeline":
                thread.join(timeout=10)
        assert heard == [signal.SIGUSR2]
    finally:
        signal.signal(signal.SIGUSR2, before)
