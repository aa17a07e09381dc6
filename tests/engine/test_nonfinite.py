import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from qarank.engine.distributed import ALONE
from qarank.engine.nonfinite import MAX_NAMES, name_bad_rows, raise_not_finite
from qarank.errors import NonFiniteError

DATA: Any = SimpleNamespace(names=lambda rows: [f"q{row}" for row in rows])


def micro_batch(first: int, value: float) -> tuple[np.ndarray, Tensor]:
    """Two rows and their loss."""
    return np.array([first, first + 1]), torch.tensor(value)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_only_rows_of_a_micro_batch_at_fault_are_named(bad: float) -> None:
    losses = [micro_batch(0, 1.0), micro_batch(2, bad), micro_batch(4, 0.0), micro_batch(6, bad)]
    assert name_bad_rows(losses, DATA) == ["q2", "q3", "q6", "q7"]


def test_a_process_without_a_bad_micro_batch_names_none() -> None:
    assert name_bad_rows([], DATA) == name_bad_rows([micro_batch(0, 2.0)], DATA) == []


def test_the_error_says_step_loss_and_examples_in_one_line() -> None:
    with pytest.raises(NonFiniteError) as caught:
        raise_not_finite(math.nan, 7, ["a", "b"], ALONE)
    line = "step 7: the loss is nan; training stopped; examples of its batch: a, b"
    assert str(caught.value) == line


def test_of_many_examples_some_are_named_and_the_rest_counted() -> None:
    names = [f"q{number}" for number in range(MAX_NAMES + 5)]
    with pytest.raises(NonFiniteError, match=f"q{MAX_NAMES - 1} and 5 more$") as caught:
        raise_not_finite(math.inf, 7, names, ALONE)
    assert f"q{MAX_NAMES}," not in str(caught.value)


def test_every_process_stops_with_the_names_of_all(
    run_together: Any,
) -> None:
    def stop(processes: Any) -> None:
        own = [[], ["late"], ["later"]][processes.world.global_rank]
        raise_not_finite(math.nan, 3, own, processes)

    errors = run_together(stop, 3)
    assert {str(error) for error in errors} == {
        "step 3: the loss is nan; training stopped; examples of its batch: late, later"
    }
    assert {type(error) for error in errors} == {NonFiniteError}
