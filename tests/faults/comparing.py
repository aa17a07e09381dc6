"""What two runs are compared by: every file of their folders, and every record in them."""

import json
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event

TIMES = ("seconds", "_s", "_per_s", "peak_bytes")  # so end names of what is never the same twice
ONCE = ("run.json", "recipe.yaml", "manifest.json", ".lock")  # of their own, or of other files
BY_VALUE = ("metrics.jsonl", "state.json")


def assert_same_run(run_dir: Path, wanted: Path) -> None:
    """That two folders hold the same run, but for times."""
    assert list_files(run_dir) == list_files(wanted)
    for name in list_files(wanted):
        assert read(run_dir / name) == read(wanted / name), name
    assert read_events(run_dir) == read_events(wanted)
    mine, other = (json.loads((each / "run.json").read_text()) for each in (run_dir, wanted))
    for key in ("state", "plan", "result"):
        assert without_times(mine[key]) == without_times(other[key]), key


def list_files(run_dir: Path) -> list[str]:
    """Hidden ones and empty folders too; TensorBoard's have names of their own."""
    entries = (path for path in run_dir.rglob("*") if "tfevents" not in path.name)
    return sorted(path.relative_to(run_dir).as_posix() for path in entries)


def read(path: Path) -> Any:
    """What must be the same: bytes, or values without times."""
    if path.is_dir() or path.name in ONCE:
        return None
    if path.name not in BY_VALUE:
        return path.read_bytes()
    text = path.read_text()
    documents = text.splitlines() if path.suffix == ".jsonl" else [text]
    return [without_times(json.loads(document)) for document in documents]


def without_times(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    kept = {key: value for key, value in document.items() if not key.endswith(TIMES)}
    return {key: without_times(value) for key, value in kept.items()}


def read_events(run_dir: Path) -> list[tuple[int, str, Any]]:
    """(step, tag, value) of every record, in order; settings are told at each start."""
    found = []
    for path in sorted(run_dir.glob("tensorboard/*tfevents*")):
        for record in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(record)
            for value in event.summary.value:
                if not value.tag.endswith(TIMES) and "hparams" not in value.tag:
                    found.append((event.step, value.tag, value.image or value.simple_value))
    return found
