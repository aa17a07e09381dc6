"""A checkpoint folder: an adapter everyone can open, and the state to go on from.

    adapter_config.json, adapter_model.safetensors   plain LoRA, PEFT's format
    README.md                                        model card
    rank_pattern.json                                which triplets each matrix keeps
    answering.json                                   how it reads questions and chooses answers
    state/                                           tensors and JSON to resume from
    manifest.json                                    sha256 of each file

Written under another name, fsynced and renamed: a folder of the right name is whole.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from qarank.artifacts.atomic import (
    fsync_tree,
    read_json,
    render_json,
    sha256_of,
    write_json,
    writing,
)
from qarank.artifacts.folders import PART, delete_folder, hidden, replace_folder
from qarank.artifacts.names import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    FULL_MODEL_CONFIG,
    MANIFEST,
    STATE_JSON,
    STATE_TENSORS,
)
from qarank.errors import CheckpointError

Content = TypeVar("Content")


@contextmanager
def new_checkpoint(folder: Path) -> Iterator[Path]:
    """Yield a folder to write into; on leaving it gets its manifest and its name.

    Nothing is left behind if writing fails; a checkpoint of that name is replaced.

    Raises:
        RunError: the disk is full, or nothing may be written there.
    """
    beside = hidden(folder, PART)
    shutil.rmtree(beside, ignore_errors=True)
    with writing(folder):
        try:
            beside.mkdir(parents=True)
            yield beside
            write_manifest(beside)
            fsync_tree(beside)
            replace_folder(beside, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def write_manifest(folder: Path) -> None:
    """Record the sha256 of every file of the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    digests = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
    write_json(folder / MANIFEST, {"sha256": digests})


def verify_checkpoint(folder: Path) -> None:
    """Check every file against the manifest, and the manifest's own text.

    Raises:
        CheckpointError: the folder has no manifest, or a file is missing or changed.
    """
    if not (folder / MANIFEST).is_file():
        raise CheckpointError(f"{folder} is not a checkpoint: no {MANIFEST} in it")
    for name, digest in _read(folder / MANIFEST, _read_digests).items():
        damage = _find_damage(folder / name, digest)
        if damage:
            raise CheckpointError(f"{folder} is damaged: {name} {damage}")


def _find_damage(path: Path, digest: str) -> str | None:
    try:
        if not path.is_file():
            return f"is missing, which {MANIFEST} names"
        return None if sha256_of(path) == digest else f"differs from its {MANIFEST}"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _read_digests(path: Path) -> dict[str, str]:
    document = read_json(path)
    # JSON forgives a changed blank or a name given twice; the text must be the one we write.
    if path.read_bytes() != render_json(document).encode():
        raise ValueError("its text is not as it was written")
    digests = document.get("sha256")
    if not isinstance(digests, dict) or not digests:
        raise ValueError("it names no files")
    return digests


def write_adapter(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write PEFT's two files."""
    write_json(folder / ADAPTER_CONFIG, dict(config))
    save_file(dict(tensors), folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})


def read_adapter(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read PEFT's two files: the config and the tensors.

    Raises:
        CheckpointError: one is missing or cannot be read.
    """
    return _read(folder / ADAPTER_CONFIG, read_json), _read(folder / ADAPTER_WEIGHTS, load_file)


def write_state(folder: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write what resuming needs: tensors, and JSON values beside them."""
    (folder / STATE_TENSORS).parent.mkdir(exist_ok=True)
    flat = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    save_file(flat, folder / STATE_TENSORS)
    write_json(folder / STATE_JSON, dict(values))


def read_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and JSON values as written.

    Raises:
        CheckpointError: one is missing or cannot be read.
    """
    return _read(folder / STATE_TENSORS, load_file), _read(folder / STATE_JSON, read_json)


def _read(path: Path, reader: Callable[[Path], Content]) -> Content:
    try:
        return reader(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent} is incomplete: no {path.name} in it") from error
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds an adapter, not a full model."""
    return (folder / ADAPTER_CONFIG).is_file()


def is_full_model(folder: Path) -> bool:
    """Whether `from_pretrained` opens the folder by itself."""
    return (folder / FULL_MODEL_CONFIG).is_file()


def keep_newest(
    checkpoints: list[Path],
    keep: int,
    *,
    always: Path | None,
    is_regular: Callable[[Path], bool] = lambda _: True,
) -> None:
    """Delete old checkpoints.

    Args:
        checkpoints: oldest first.
        keep: how many of the newest regular ones stay, 1 or more; of those that are not regular
            as many, and only while they are newer than every regular one.
        always: stays too.
        is_regular: False for a checkpoint saved out of turn, before a run was stopped.

    Raises:
        RunError: one cannot be deleted.
    """
    regular = [folder for folder in checkpoints if is_regular(folder)]
    newer = checkpoints[checkpoints.index(regular[-1]) + 1 :] if regular else checkpoints
    kept = {*regular[-keep:], *newer[-keep:], always}
    for folder in checkpoints:
        if folder not in kept:
            delete_folder(folder)
