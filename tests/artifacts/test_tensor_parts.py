import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from qarank.artifacts.tensor_parts import read_shapes, read_some_tensors
from qarank.errors import CheckpointError

TENSORS = {"a": torch.ones(2, 3, dtype=torch.bfloat16), "b": torch.zeros(0, 5), "c": torch.ones(4)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.safetensors"
    save_file(TENSORS, path)
    return path


def test_shapes_are_read_of_any_dtype_and_of_empty_tensors(file: Path) -> None:
    assert read_shapes(file) == {"a": (2, 3), "b": (0, 5), "c": (4,)}


def test_shapes_need_no_torch(file: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from qarank.artifacts.tensor_parts import read_shapes;"
        f"read_shapes(Path({str(file)!r})); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_only_the_tensors_that_are_wanted_come(file: Path) -> None:
    found = read_some_tensors(file, lambda name: name != "c")
    assert set(found) == {"a", "b"}
    assert torch.equal(found["a"], TENSORS["a"])


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_file_that_is_missing_or_damaged_is_one_line(
    content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "some.safetensors"
    if content is not None:
        path.write_bytes(content)
    for read in (read_shapes, lambda path: read_some_tensors(path, lambda _: True)):
        with pytest.raises(CheckpointError, match=r"some\.safetensors") as caught:
            read(path)
        assert "\n" not in str(caught.value)
