import subprocess
import sys

import pytest
import torch

from qarank.engine.distributed import reaching_others
from qarank.engine.memory import is_out_of_memory, peak_bytes, telling_full_memory
from qarank.errors import LostProcessError, RunError

WHOLE_MEMORY = 2**50  # float32 entries: no machine has them


def test_a_cpu_that_cannot_give_a_tensor_is_out_of_memory() -> None:
    """The allocator's own words, so that a change of them is noticed."""
    line = "step 3: lower the batch"
    with pytest.raises(RunError, match=f"^{line}$") as caught, telling_full_memory(line):
        torch.empty(WHOLE_MEMORY)
    assert caught.value.is_own


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_a_gpus_and_pythons_errors_count_too(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("DefaultCPUAlloc")])
def test_another_error_passes_as_it_is(error: Exception) -> None:
    assert not is_out_of_memory(error)
    with pytest.raises(type(error), match=str(error)), telling_full_memory("full"):
        raise error


def test_a_full_memory_in_a_reduction_is_no_lost_process() -> None:
    with pytest.raises(torch.OutOfMemoryError), reaching_others():
        raise torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(LostProcessError), reaching_others():
        raise RuntimeError("Connection closed by peer")


def test_the_peak_is_this_process_own_and_does_not_sink() -> None:
    before = peak_bytes(torch.device("cpu"))
    block = torch.ones(before // 4 + 2**24)  # four times as many bytes
    during = peak_bytes(torch.device("cpu"))
    assert during >= before + block.numel()
    del block
    assert peak_bytes(torch.device("cpu")) > during - 2**20  # the kernel counts in batches of pages


def test_the_peak_of_who_started_a_process_is_not_its_own() -> None:
    ballast = torch.ones(2**28)  # 1 GiB, resident while the other process starts
    code = "from qarank.engine.memory import *; print(peak_bytes(torch.device('cpu')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < ballast.numel() * ballast.element_size()
