import pickle
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.jobs.job import Job, JobEnd


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (JobEnd(2, "qarank: no such file"), "qarank: no such file"),
        (JobEnd(3), "it ended with exit code 3 and said nothing"),
        (JobEnd(-signal.SIGSEGV, "a line"), "its process was killed by SIGSEGV"),
        (
            JobEnd(-signal.SIGKILL, "step 7"),
            "its process was killed by SIGKILL, as the kernel does where memory is full",
        ),
    ],
)
def test_why_a_job_failed_is_its_last_word_or_the_signal_that_killed_it(
    end: JobEnd, reason: str
) -> None:
    assert end.reason == reason


@given(number=st.sampled_from(sorted(set(range(1, signal.NSIG)))))
def test_each_number_of_a_signal_has_a_reason_of_one_line(number: int) -> None:
    reason = JobEnd(-number, "last").reason
    assert reason.startswith("its process was killed by ") and "\n" not in reason


def test_jobs_and_their_ends_can_be_sent_to_another_machine(tmp_path: Path) -> None:
    job = Job("a", ["true"], tmp_path, tmp_path / "log", {"X": "1"}, num_gpus=2, num_threads=3)
    end = JobEnd(1, "why")
    assert pickle.loads(pickle.dumps((job, end))) == (job, end)
