"""What a run was made of, in a word: other content under the same name has another one."""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from qarank.errors import ModelError
from qarank.workflows.data import Part
from qarank.workflows.model_source import ModelSource
from qarank.workflows.prepare import Prepared

MODEL = "model"  # among the fingerprints of a run; the others are of parts of its data
MODEL_FILES = ("config.json", "*.safetensors", "*.bin", "*.py")

_FileState = tuple[str, int, int]  # path, size in bytes, time of the last change in ns


def fingerprint_run(prepared: Prepared) -> dict[str, str]:
    """sha256, in hex, of each part of the data, and of the model where it is in a folder."""
    model = fingerprint_model(prepared.source)
    return fingerprint_parts(prepared) | ({} if model is None else {MODEL: model})


def find_content_change(were: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What has changed between two `fingerprint_run`, as "the train data"; "" if nothing has.

    A model that one of them does not know is not a change: it may come from the hub, or the run
    from a version that did not look.
    """
    for name in {**were, **now}:
        if were.get(name) != now.get(name):
            if name != MODEL:
                return f"the {name} data"
            if name in were and name in now:
                return "the model's files"
    return ""


def fingerprint_parts(prepared: Prepared) -> dict[str, str]:
    """sha256, in hex, of each part."""
    return {name: fingerprint(part) for name, part in prepared.parts.items()}


def fingerprint(part: Part) -> str:
    """sha256, in hex, over features, labels and gold answers, in their order."""
    table, digest = part.table, hashlib.sha256()
    for column in (
        table.row_offsets,
        table.input_ids,
        table.example_index,
        table.start_positions,
        table.end_positions,
    ):
        digest.update(np.ascontiguousarray(column).data)
    for example in part.examples:
        digest.update(json.dumps([example.id, example.answers]).encode())
    return digest.hexdigest()


def fingerprint_model(source: ModelSource) -> str | None:
    """sha256, in hex, over config, weights and code of a model; None for one of the hub.

    A hub's model is told apart by `model.revision`, which the recipe holds.

    Raises:
        ModelError: a file cannot be read.
    """
    folder = Path(source.location)
    if not folder.is_dir():
        return None
    try:
        paths = sorted({path for kind in MODEL_FILES for path in folder.glob(kind)})
        states = [(str(path), path.stat()) for path in paths if path.is_file()]
        return _digest_files(tuple((name, s.st_size, s.st_mtime_ns) for name, s in states))
    except OSError as error:
        raise ModelError(f"{folder}: {error}") from error


@lru_cache(maxsize=16)
def _digest_files(files: tuple[_FileState, ...]) -> str:
    """Over names and content; kept, since a sweep asks for the same model at each point."""
    whole = hashlib.sha256()
    for name, _, _ in files:
        with open(name, "rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        whole.update(Path(name).name.encode() + b"\0" + content)
    return whole.hexdigest()
