import signal
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from qarank.errors import LaunchError
from qarank.jobs.job import NOT_STARTED
from qarank.jobs.local import LocalExecutor, place_job, share_gpus
from tests.jobs.commands import (
    Record,
    most_at_a_time,
    python_job,
    read_starts,
    saving_job,
    wait_until,
)


@pytest.mark.parametrize("num_places", [1, 2])
def test_all_jobs_run_in_order_as_many_at_a_time_as_there_are_places(
    tmp_path: Path, num_places: int
) -> None:
    code = "import time; time.sleep(0.3)"
    jobs = [python_job(name, code, tmp_path) for name in "abcd"]
    record = Record()
    LocalExecutor([()] * num_places).run(jobs, record.watch)
    assert [each[0] for each in record.told if each.endswith("started")] == list("abcd")
    assert record.exit_codes == dict.fromkeys("abcd", 0)
    assert most_at_a_time(record.told) == num_places


def test_no_jobs_are_done_at_once() -> None:
    LocalExecutor([()]).run([], Record(on_tick=lambda: pytest.fail("ticked")).watch)


def test_a_job_that_fails_is_killed_or_cannot_start_stops_no_other(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    jobs = [
        replace(python_job("unknown", "", tmp_path), command=[missing]),
        python_job("fails", "import sys; print('step 1'); sys.exit('no such file')", tmp_path),
        python_job("killed", "import os; os.kill(os.getpid(), 9)", tmp_path),
        python_job("good", "print('done')", tmp_path),
    ]
    record = Record()
    LocalExecutor([()]).run(jobs, record.watch)
    codes = {"unknown": NOT_STARTED, "fails": 1, "killed": -signal.SIGKILL, "good": 0}
    assert record.exit_codes == codes
    assert "unknown started" not in record.told
    unknown = record.ends["unknown"].reason
    assert unknown.startswith("it cannot be started: ") and missing in unknown
    assert record.ends["fails"].reason == "no such file"
    assert record.ends["killed"].reason.startswith("its process was killed by SIGKILL")


def test_each_job_sees_the_gpus_of_a_free_place(tmp_path: Path) -> None:
    code = "import os, time; time.sleep(0.3); print(os.environ['CUDA_VISIBLE_DEVICES'])"
    jobs = [python_job(name, code, tmp_path) for name in "abcd"]
    record = Record()
    LocalExecutor([("0", "1"), ("GPU-x",)]).run(jobs, record.watch)
    seen = [record.ends[name].last_line for name in "abcd"]
    assert sorted(seen[:2]) == ["0,1", "GPU-x"], "the first two at the same time"
    assert set(seen[2:]) <= {"0,1", "GPU-x"}


def test_a_place_without_gpus_leaves_the_job_as_it_is(tmp_path: Path) -> None:
    job = python_job("a", "", tmp_path, environment={"X": "1"})
    assert place_job(job, ()) is job
    assert place_job(job, ("3",)).environment == {"X": "1", "CUDA_VISIBLE_DEVICES": "3"}


def test_asked_to_stop_it_waits_for_what_runs_and_starts_no_more(tmp_path: Path) -> None:
    jobs = [saving_job(name, tmp_path) for name in "abc"]
    record = Record(should_stop=lambda: all(read_starts(job) for job in jobs[:2]))
    LocalExecutor([(), ()]).run(jobs, record.watch)
    assert record.exit_codes == dict.fromkeys("ab", 128 + signal.SIGTERM)
    assert [record.ends[name].last_line for name in "ab"] == ["saved", "saved"]
    assert not any(each.startswith("c") for each in record.told) and not read_starts(jobs[2])
    again = Record()
    LocalExecutor([(), ()]).run(jobs[:2], again.watch)
    assert again.exit_codes == dict.fromkeys("ab", 0), "they go on"


def test_asked_to_stop_before_the_start_nothing_is_started(tmp_path: Path) -> None:
    record = Record(should_stop=lambda: True)
    LocalExecutor([()]).run([saving_job("a", tmp_path)], record.watch)
    assert record.told == []


def test_an_error_of_the_watch_ends_what_runs(tmp_path: Path) -> None:
    job = saving_job("a", tmp_path)

    def leave() -> None:
        if read_starts(job):
            raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        LocalExecutor([()]).run([job], Record(on_tick=leave).watch)
    assert time.monotonic() - start < 20
    assert not (job.directory / "saved").exists(), "killed, as whoever left at once wanted"


def test_the_watch_is_asked_several_times_a_second(tmp_path: Path) -> None:
    ticks: list[float] = []
    record = Record(on_tick=lambda: ticks.append(time.monotonic()))
    LocalExecutor([()]).run([python_job("a", "import time; time.sleep(2)", tmp_path)], record.watch)
    assert len(ticks) >= 5


def test_jobs_of_a_killed_executor_save_and_end(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from qarank.jobs.job import Watch
from qarank.jobs.local import LocalExecutor
from tests.jobs.commands import saving_job
jobs = [saving_job(name, Path(sys.argv[1])) for name in "ab"]
LocalExecutor([(), ()]).run(jobs, Watch())
"""
    executor = replace(python_job("executor", code, tmp_path), directory=Path(__file__).parents[2])

    def kill_once_both_run() -> None:
        starts = [read_starts(replace(executor, directory=tmp_path / name)) for name in "ab"]
        if all(starts) and "killed" not in record.told:
            record.told.append("killed")
            psutil.Process(psutil.Process(int(starts[0][0][0])).ppid()).kill()

    record = Record(on_tick=kill_once_both_run)
    LocalExecutor([()]).run([executor], record.watch)
    assert record.exit_codes == {"executor": -signal.SIGKILL}, "it alone was killed"
    for name in "ab":
        wait_until((tmp_path / name / "saved").exists, f"what {name} saves")


def test_gpus_are_shared_out_whole_and_none_twice() -> None:
    assert share_gpus(list("0123"), gpus_a_job=2, num_jobs=None) == [("0", "1"), ("2", "3")]
    assert share_gpus(list("0123"), gpus_a_job=1, num_jobs=2) == [("0",), ("1",)]
    assert share_gpus(list("012"), gpus_a_job=2, num_jobs=None) == [("0", "1")]


def test_without_gpus_there_is_one_place_or_as_many_as_asked_for() -> None:
    assert share_gpus([], gpus_a_job=2, num_jobs=None) == [()]
    assert share_gpus([], gpus_a_job=2, num_jobs=3) == [(), (), ()]


@pytest.mark.parametrize(
    ("gpus_a_job", "num_jobs", "told"),
    [
        (1, 3, "--jobs 3 of --nproc 1 need 3 GPUs, and 2 are visible; at most 2 jobs are allowed"),
        (3, None, "--jobs 1 of --nproc 3 need 3 GPUs, and 2 are visible; at most 0 jobs"),
    ],
)
def test_too_few_gpus_are_refused_with_what_is_allowed(
    gpus_a_job: int, num_jobs: int | None, told: str
) -> None:
    with pytest.raises(LaunchError, match=told):
        share_gpus(["0", "1"], gpus_a_job=gpus_a_job, num_jobs=num_jobs)
