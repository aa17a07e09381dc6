"""TensorBoard's event file, and the records in it that are no plain numbers.

Written in the caller's thread: torch's SummaryWriter has one of its own, which prints a traceback
when the disk is full.

Dims: height, width: of an image, in pixels.
"""

import os
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.plugins.hparams import (  # type: ignore[import-untyped]
    api_pb2,
    metadata,
    plugin_data_pb2,
)
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]
from torch.utils.tensorboard.summary import image

HParams = Mapping[str, bool | int | float | str]
COLUMNS_SHOWN = 5  # of the settings, by the HPARAMS page, before anyone asks for more


class EventFile:
    """A new event file in a folder; TensorBoard reads all of a folder's files as one run.

    Args:
        folder: made if need be.

    Raises:
        OSError: here or later: nothing can be written there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads them in the order of their names.
        self._file = (folder / f"events.out.tfevents.{time.time():.6f}.{os.getpid()}").open("xb")
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, summary: Summary, global_step: int = 0) -> None:
        """Write a record; any reader sees it."""
        self._write(Event(wall_time=time.time(), step=global_step, summary=summary))

    def sync(self) -> None:
        """Force what was added to disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
        self._file.flush()


def scalar_summary(values: Mapping[str, float]) -> Summary:
    """Numbers by tag."""
    return Summary(value=[Summary.Value(tag=tag, simple_value=x) for tag, x in values.items()])


def image_summary(tag: str, pixels: np.ndarray) -> Summary:
    """One picture, (height, width, 3) uint8."""
    return image(tag, pixels, dataformats="HWC")  # type: ignore[no-untyped-call]


def start_summaries(run_dir: Path, hparams: HParams, metric_tags: Iterable[str]) -> list[Summary]:
    """A row of the HPARAMS page.

    Args:
        run_dir: names the row, its own name first: the page cuts after 15 letters.
        hparams: the columns on the left, of which the page shows the first five unless asked. It
            takes its columns from one run, whichever: runs that are looked at together should all
            give the same.
        metric_tags: the columns on the right; each shows the latest number of that tag.
    """
    columns = []
    begun = datetime.now(UTC)
    # Runs of one name would share a row: the time tells them apart.
    row = f"{run_dir.name} in {run_dir.parent.name}, begun {begun.isoformat()}"
    started = plugin_data_pb2.SessionStartInfo(group_name=row, start_time_secs=begun.timestamp())
    for place, (name, value) in enumerate(hparams.items()):
        kind, field = _kind_of(value)
        # Those that "differ" are sorted before the others.
        columns.append(api_pb2.HParamInfo(name=name, type=kind, differs=place < COLUMNS_SHOWN))
        setattr(started.hparams[name], field, value)
    tags = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in metric_tags]
    experiment = api_pb2.Experiment(hparam_infos=columns, metric_infos=tags)
    return [
        _hparams_summary(metadata.EXPERIMENT_TAG, experiment=experiment),
        _hparams_summary(metadata.SESSION_START_INFO_TAG, session_start_info=started),
    ]


def end_summary() -> Summary:
    """That the row's run is done."""
    done = api_pb2.Status.Value("STATUS_SUCCESS")
    ended = plugin_data_pb2.SessionEndInfo(status=done, end_time_secs=time.time())
    return _hparams_summary(metadata.SESSION_END_INFO_TAG, session_end_info=ended)


def _kind_of(value: bool | int | float | str) -> tuple[int, str]:
    """The plugin's number for a type, and the name of the field for such a value."""
    if isinstance(value, bool):
        return api_pb2.DATA_TYPE_BOOL, "bool_value"
    if isinstance(value, str):
        return api_pb2.DATA_TYPE_STRING, "string_value"
    return api_pb2.DATA_TYPE_FLOAT64, "number_value"


def _hparams_summary(tag: str, **content: Any) -> Summary:
    described = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(**content))
    return Summary(value=[Summary.Value(tag=tag, metadata=described, tensor=metadata.NULL_TENSOR)])
