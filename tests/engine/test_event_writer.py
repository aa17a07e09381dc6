import io
import math
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import list_session_groups, metadata
from tensorboard.plugins.hparams.api_pb2 import DataType, ListSessionGroupsRequest, Status
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.summary.writer.record_writer import RecordWriter

from qarank.engine.event_writer import (
    EventFile,
    end_summary,
    image_summary,
    scalar_summary,
    start_summaries,
)

DONE, UNKNOWN = (Status.Value(f"STATUS_{name}") for name in ("SUCCESS", "UNKNOWN"))


def load(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    return events


def test_numbers_of_one_record_read_back_under_their_tags(tmp_path: Path) -> None:
    file = EventFile(tmp_path / "deep" / "folder")
    file.add(scalar_summary({"a/x": 0.1, "a/y": math.nan}), 7)
    file.close()
    events = load(tmp_path / "deep" / "folder")
    (x,), (y,) = events.Scalars("a/x"), events.Scalars("a/y")
    assert (x.step, x.value) == (7, np.float32(0.1))
    assert math.isnan(y.value)
    assert abs(x.wall_time - time.time()) < 60


def test_a_record_is_whole_in_the_file_as_soon_as_it_is_added(tmp_path: Path) -> None:
    file = EventFile(tmp_path)
    file.add(scalar_summary({"a": 1.0}), 1)
    content = next(tmp_path.iterdir()).read_bytes()
    file.close()
    sizes = []
    while content:  # length, its checksum, the record, its checksum
        (size,) = struct.unpack("<Q", content[:8])
        assert len(content) >= size + 16
        sizes.append(size)
        content = content[size + 16 :]
    assert len(sizes) == 2, "the version and the number"


def test_files_of_one_folder_are_read_in_the_order_they_were_made(tmp_path: Path) -> None:
    for step in range(5):
        file = EventFile(tmp_path)
        file.add(scalar_summary({"a": 0.0}), step)
        file.close()
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 5
    assert [event.step for event in load(tmp_path).Scalars("a")] == [0, 1, 2, 3, 4]


def test_a_picture_reads_back_pixel_by_pixel(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 9, 3), dtype=np.uint8)
    file = EventFile(tmp_path)
    file.add(image_summary("Ranks/kept", pixels), 3)
    file.close()
    (shown,) = load(tmp_path).Images("Ranks/kept")
    assert (shown.step, shown.height, shown.width) == (3, 5, 9)
    np.testing.assert_array_equal(decode_png(shown.encoded_image_string), pixels)


def decode_png(encoded: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encoded)))


def test_a_row_of_settings_keeps_each_values_kind() -> None:
    hparams = {"seed": 9, "rate": 1e-3, "finalize": True, "type": "svd"}
    experiment, started = start_summaries(Path("sweep/point"), hparams, ["best/f1"])
    columns = metadata.parse_experiment_plugin_data(
        experiment.value[0].metadata.plugin_data.content
    )
    row = metadata.parse_session_start_info_plugin_data(
        started.value[0].metadata.plugin_data.content
    )
    assert [(info.name, info.type) for info in columns.hparam_infos] == [
        ("seed", DataType.Value("DATA_TYPE_FLOAT64")),
        ("rate", DataType.Value("DATA_TYPE_FLOAT64")),
        ("finalize", DataType.Value("DATA_TYPE_BOOL")),
        ("type", DataType.Value("DATA_TYPE_STRING")),
    ]
    assert [info.name.tag for info in columns.metric_infos] == ["best/f1"]
    assert row.group_name.startswith("point in sweep, begun 2")
    kinds = {name: value.WhichOneof("kind") for name, value in row.hparams.items()}
    assert kinds == {
        "seed": "number_value",
        "rate": "number_value",
        "finalize": "bool_value",
        "type": "string_value",
    }
    assert row.hparams["rate"].number_value == 1e-3


def test_a_done_run_says_so() -> None:
    content = end_summary().value[0].metadata.plugin_data.content
    ended = metadata.parse_session_end_info_plugin_data(content)
    assert ended.status == DONE
    assert abs(ended.end_time_secs - time.time()) < 60


def read_context(logdir: Path) -> Context:
    """What TensorBoard's server knows of a folder of runs."""
    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(logdir))
    multiplexer.Reload()
    return Context(TBContext(data_provider=MultiplexerDataProvider(multiplexer, str(logdir))))


def list_rows(logdir: Path) -> dict[str, tuple[dict[str, Any], dict[str, float], int]]:
    """Run -> settings, metrics and status, as the HPARAMS page gets them from its server."""
    context = read_context(logdir)
    query = ListSessionGroupsRequest(slice_size=100, allowed_statuses=Status.values())
    groups = list_session_groups.Handler(RequestContext(), context, "", query).run()
    return {
        group.sessions[0].name: (
            {name: getattr(v, v.WhichOneof("kind")) for name, v in group.hparams.items()},
            {metric.name.tag: metric.value for metric in group.metric_values},
            group.sessions[0].status,
        )
        for group in groups.session_groups
    }


def test_the_page_sorts_the_first_five_settings_before_the_others(tmp_path: Path) -> None:
    file = EventFile(tmp_path)
    for summary in start_summaries(tmp_path, dict.fromkeys("zyxwvba", 1), []):
        file.add(summary)
    file.close()
    context = read_context(tmp_path)
    columns = context.experiment_from_metadata(
        RequestContext(), "", True, context.hparams_metadata(RequestContext(), ""), []
    )
    assert [info.name for info in columns.hparam_infos] == list("vwxyzab")


def add_row(run_dir: Path, metrics: dict[str, float]) -> None:
    """As a run does that ends with these metrics, or is killed if there are none."""
    file = EventFile(run_dir / "tensorboard")
    for summary in start_summaries(run_dir, {"seed": 9}, ["best/f1"]):
        file.add(summary)
    file.add(scalar_summary({"train/loss": 1.0, **metrics}), 10)
    if metrics:
        file.add(end_summary())
    file.close()


def test_a_sweep_has_one_row_a_run_on_the_hparams_page(tmp_path: Path) -> None:
    runs = {"one/r_4": 81.5, "one/r_8": 82.5, "other/r_8": 83.5}
    for run, f1 in runs.items():
        add_row(tmp_path / run, {"best/f1": f1})
    assert list_rows(tmp_path) == {
        f"{run}/tensorboard": ({"seed": 9}, {"best/f1": f1}, DONE) for run, f1 in runs.items()
    }


def test_runs_of_the_very_same_name_do_not_share_a_row(tmp_path: Path) -> None:
    for place in ("old", "new"):
        add_row(tmp_path / place / "sweep" / "r_8", {"best/f1": 80.0})
    assert len(list_rows(tmp_path)) == 2


def test_a_resumed_run_keeps_its_one_row(tmp_path: Path) -> None:
    for final in ({}, {"best/f1": 82.5}):
        add_row(tmp_path / "run", final)
        (row,) = list_rows(tmp_path).values()
        assert row == ({"seed": 9}, final, DONE if final else UNKNOWN)


def test_a_full_disk_is_met_by_the_record_that_finds_it_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = EventFile(tmp_path)
    file.close()
    with pytest.raises(OSError, match="No space left"), Path("/dev/full").open("wb") as full:
        monkeypatch.setattr(file, "_file", full)
        monkeypatch.setattr(file, "_records", RecordWriter(full))
        file.add(scalar_summary({"a": 1.0}), 1)


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match="File exists"):
        EventFile(tmp_path / "taken")
