"""A checkpoint folder: an adapter everyone can open, and the state to go on from.

    adapter_config.json, adapter_model.safetensors   plain LoRA, PEFT's format
    README.md                                        model card
    rank_pattern.json                                which triplets each matrix keeps
    state/                                           tensors and JSON to resume from
    manifest.json                                    sha256 of each file

Written under another name, fsynced and renamed: a folder of the right name is whole.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from qarank.artifacts.atomic import fsync_tree, read_json, sha256_of, write_json
from qarank.artifacts.names import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    FULL_MODEL_CONFIG,
    MANIFEST,
    STATE_JSON,
    STATE_TENSORS,
)
from qarank.errors import CheckpointError


@contextmanager
def new_checkpoint(folder: Path) -> Iterator[Path]:
    """Yield a folder to write into; on leaving it gets its manifest and its name.

    Nothing is left behind if writing fails; a checkpoint of that name is replaced.
    """
    beside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        write_manifest(beside)
        fsync_tree(beside)
        if folder.exists():
            shutil.rmtree(folder)
        beside.replace(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_manifest(folder: Path) -> None:
    """Record the sha256 of every file of the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    digests = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
    write_json(folder / MANIFEST, {"sha256": digests})


def verify_checkpoint(folder: Path) -> None:
    """Check every file against the manifest.

    Raises:
        CheckpointError: the folder has no manifest, or a file is missing or changed.
    """
    if not (folder / MANIFEST).is_file():
        raise CheckpointError(f"{folder} is not a checkpoint: no {MANIFEST} in it")
    for name, digest in read_json(folder / MANIFEST)["sha256"].items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{folder} is damaged: {name} is missing")
        if sha256_of(path) != digest:
            raise CheckpointError(f"{folder} is damaged: {name} differs from its manifest")


def write_adapter(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write PEFT's two files."""
    write_json(folder / ADAPTER_CONFIG, dict(config))
    save_file(dict(tensors), folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})


def read_adapter(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read PEFT's two files: the config and the tensors.

    Raises:
        CheckpointError: one is missing or cannot be read.
    """
    try:
        return read_json(folder / ADAPTER_CONFIG), load_file(folder / ADAPTER_WEIGHTS)
    except FileNotFoundError as error:
        missing = Path(error.filename or ADAPTER_WEIGHTS).name
        raise CheckpointError(f"{folder} is not an adapter: no {missing} in it") from error
    except (json.JSONDecodeError, SafetensorError) as error:
        raise CheckpointError(f"{folder} is damaged: {error}") from error


def write_state(folder: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write what resuming needs: tensors, and JSON values beside them."""
    (folder / STATE_TENSORS).parent.mkdir(exist_ok=True)
    flat = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    save_file(flat, folder / STATE_TENSORS)
    write_json(folder / STATE_JSON, dict(values))


def read_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and JSON values as written."""
    return load_file(folder / STATE_TENSORS), read_json(folder / STATE_JSON)


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds an adapter, not a full model."""
    return (folder / ADAPTER_CONFIG).is_file()


def is_full_model(folder: Path) -> bool:
    """Whether `from_pretrained` opens the folder by itself."""
    return (folder / FULL_MODEL_CONFIG).is_file()


def keep_newest(checkpoints: list[Path], keep: int, *, always: Path | None) -> None:
    """Delete all but the newest `keep` checkpoints, given oldest first, and `always`."""
    for folder in checkpoints[:-keep]:
        if folder != always:
            shutil.rmtree(folder)
