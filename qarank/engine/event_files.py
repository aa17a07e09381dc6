"""TensorBoard's event files, cut where a run is set back to, so that no step is there twice."""

import io
from collections.abc import Iterator
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
from tensorboard.compat.tensorflow_stub.errors import (  # type: ignore[import-untyped]
    DataLossError,
    OutOfRangeError,
)
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import (  # type: ignore[import-untyped]
    PyRecordReader_New,
)
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

from qarank.artifacts.atomic import write_bytes, writing

EVENT_FILES = "*tfevents*"  # what TensorBoard takes for one, hidden or not
EVALUATION = "eval/"  # so begin the tags of an evaluation
RESULT = "result/"  # and those of a run's end, which comes again after whatever step


def cut_events(folder: Path, global_step: int, *, redo_evaluation: bool = False) -> None:
    """Drop the events after a step from every event file; nothing may be writing there.

    What a killed process left goes too: a half-written record, with all behind a damaged one, and
    a file that was being cut. A file of which nothing goes is not touched.

    The figures of a run's end go whatever the step: they come again.

    Args:
        folder: with its sub-folders; may be missing.
        global_step: the last to keep.
        redo_evaluation: the evaluation of that very step goes too.

    Raises:
        RunError: a file cannot be read or written.
    """
    for path in sorted(folder.rglob(EVENT_FILES)):
        with writing(path):
            if path.name.startswith(".") and path.suffix == ".part":
                path.unlink()
                continue
            content = path.read_bytes()
            kept = io.BytesIO()
            records = RecordWriter(kept)
            for record in _read_records(path):
                if _is_kept(Event.FromString(record), global_step, redo_evaluation):
                    records.write(record)
        if kept.getvalue() != content:
            write_bytes(path, kept.getvalue())


def _read_records(path: Path) -> Iterator[bytes]:
    """Up to the end, or to the first that is half written or damaged."""
    # TensorBoard's own loaders import TensorFlow where it is installed; this reader never does.
    reader = PyRecordReader_New(str(path))
    while True:
        try:
            reader.GetNext()
        except (OutOfRangeError, DataLossError):
            return
        yield reader.record()


def _is_kept(event: Event, last_step: int, redo_evaluation: bool) -> bool:
    if event.HasField("file_version"):  # every file begins with it
        return True
    tags = [value.tag for value in event.summary.value]
    if any(tag.startswith(RESULT) for tag in tags):
        return False
    is_evaluation = any(tag.startswith(EVALUATION) for tag in tags)
    is_redone = redo_evaluation and is_evaluation and event.step == last_step
    return event.step <= last_step and not is_redone
