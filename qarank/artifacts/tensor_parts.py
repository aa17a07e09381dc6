"""Parts of a safetensors file: the shapes alone, which needs no torch, or some of its tensors."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from qarank.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of each tensor.

    Raises:
        CheckpointError: the file is missing or cannot be read.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            names = file.keys()
            return {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (OSError, SafetensorError) as error:
        raise _tell(path, error) from error


def read_some_tensors(path: Path, is_wanted: Callable[[str], bool]) -> "dict[str, Tensor]":
    """Name -> tensor, of the names that are wanted; the others are not read from the disk.

    Raises:
        CheckpointError: the file is missing or cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names if is_wanted(name)}
    except (OSError, SafetensorError) as error:
        raise _tell(path, error) from error


def _tell(path: Path, error: Exception) -> CheckpointError:
    if isinstance(error, FileNotFoundError):
        return CheckpointError(f"{path.parent} is incomplete: no {path.name} in it")
    return CheckpointError(f"{path} cannot be read: {error}")
