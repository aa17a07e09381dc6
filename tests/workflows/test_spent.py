import time

import pytest
import torch

from qarank.engine.memory import peak_bytes
from qarank.workflows.spent import Spent

CPU = torch.device("cpu")


def test_time_counts_from_the_start_of_a_session() -> None:
    spent = Spent(CPU)
    time.sleep(0.05)
    assert spent.total_s >= 0.05


def test_sessions_add_up_and_the_largest_peak_stays() -> None:
    spent = Spent(CPU)
    spent.load_state_dict({"total_s": 100.0, "peak_bytes": 2**50})
    state = spent.state_dict()
    assert state["total_s"] == pytest.approx(100.0, abs=1.0)
    assert state["peak_bytes"] == 2**50
    small = Spent(CPU)
    small.load_state_dict({"total_s": 1.0, "peak_bytes": 1})
    assert small.peak_bytes == pytest.approx(peak_bytes(CPU), rel=0.05)


def test_a_checkpoint_of_an_older_version_says_nothing() -> None:
    spent = Spent(CPU)
    spent.load_state_dict({})
    assert spent.total_s < 1.0
