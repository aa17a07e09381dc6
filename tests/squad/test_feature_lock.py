import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from qarank.errors import RunError
from qarank.squad import feature_lock
from qarank.squad.feature_lock import only_builder
from qarank.squad.features import build_features, load_or_build_features
from qarank.squad.sample import almanac

LENGTHS = {"max_seq_length": 48, "doc_stride": 16}
LOAD = """
import sys, time
from pathlib import Path
from transformers import BertTokenizer
from qarank.squad import features
from qarank.squad.sample import almanac

folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
tokenizer = BertTokenizer.from_pretrained(folder / "tokenizer")
build = features.build_features

def build_slowly(*args, **options):
    print("builds", flush=True)
    time.sleep(seconds)
    return build(*args, **options)

features.build_features = build_slowly
print("ready", flush=True)
sys.stdin.readline()  # so that both begin at once
table, was_cached = features.load_or_build_features(
    almanac("validation")[:20], tokenizer, max_seq_length=48, doc_stride=16,
    cache_dir=folder / "cache",
)
print(was_cached, table.input_ids.sum(), flush=True)
"""


@contextmanager
def loading(folder: Path, *, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A process about to load features whose building takes as long."""
    command = [sys.executable, "-c", LOAD, str(folder), str(seconds)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


DIE = """
import signal, sys, os
from pathlib import Path
from transformers import BertTokenizer
from qarank.squad import feature_table, features
from qarank.squad.sample import almanac

folder, moment = Path(sys.argv[1]), sys.argv[2]

def die(*_args, **_options):
    os.kill(os.getpid(), signal.SIGKILL)

def write_some(sink, _schema):
    sink.write(b"ARROW1\\0\\0" * 999)
    sink.flush()
    die()

if moment == "a part is written":
    feature_table.pa.ipc.new_file = write_some
elif moment == "all is written":
    feature_table._digest = die
elif moment == "it has its name":
    Path.write_text = die
features.load_or_build_features(
    almanac("validation")[:20], BertTokenizer.from_pretrained(folder / "tokenizer"),
    max_seq_length=48, doc_stride=16, cache_dir=folder / "cache",
)
"""


@pytest.mark.parametrize(
    ("moment", "left"),
    [
        ("a part is written", ["features.arrow.PID.part", "features.arrow.lock"]),
        ("all is written", ["features.arrow.PID.part", "features.arrow.lock"]),
        ("it has its name", ["features.arrow", "features.arrow.lock"]),
    ],
)
def test_what_a_prepare_killed_while_writing_leaves_is_in_nobodys_way(
    tmp_path: Path, bert: PreTrainedTokenizerBase, moment: str, left: list[str]
) -> None:
    bert.save_pretrained(tmp_path / "tokenizer")
    with subprocess.Popen([sys.executable, "-c", DIE, str(tmp_path), moment]) as process:
        assert process.wait(timeout=120) == -signal.SIGKILL
    (folder,) = (tmp_path / "cache").iterdir()
    assert names_in(folder, process.pid) == left
    examples, cache_dir = almanac("validation")[:20], tmp_path / "cache"
    started = time.monotonic()
    tables = [
        load_or_build_features(examples, bert, **LENGTHS, cache_dir=cache_dir) for _ in range(2)
    ]
    assert time.monotonic() - started < feature_lock.SILENT_S, "the lock was not waited for"
    assert [was_cached for _, was_cached in tables] == [False, True]
    built = build_features(examples, bert, **LENGTHS)
    for table, _ in tables:
        assert table.input_ids.tolist() == built.input_ids.tolist()
        assert table.start_positions.tolist() == built.start_positions.tolist()
    whole = ["features.arrow", "features.arrow.lock", "features.arrow.sha256"]
    assert names_in(folder, process.pid) == whole


def names_in(folder: Path, pid: int) -> list[str]:
    return sorted(path.name.replace(str(pid), "PID") for path in folder.iterdir())


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_of_two_processes_one_builds_and_both_have_the_same_features(
    tmp_path: Path, bert: PreTrainedTokenizerBase
) -> None:
    bert.save_pretrained(tmp_path / "tokenizer")
    with loading(tmp_path, seconds=1) as first, loading(tmp_path, seconds=1) as second:
        processes = (first, second)
        assert [read_line(process) for process in processes] == ["ready", "ready"]
        for process in processes:
            let_go(process)
        told = sorted(process.communicate()[0] for process in processes)
    table = build_features(almanac("validation")[:20], bert, **LENGTHS)
    total = table.input_ids.sum()
    assert told == [f"True {total}\n", f"builds\nFalse {total}\n"]
    (folder,) = (tmp_path / "cache").iterdir()
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["features.arrow", "features.arrow.lock", "features.arrow.sha256"]


def test_a_process_that_waits_says_so_and_goes_on_where_the_builder_was_killed(
    tmp_path: Path,
    bert: PreTrainedTokenizerBase,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(feature_lock, "SILENT_S", 0.1)
    bert.save_pretrained(tmp_path / "tokenizer")
    with loading(tmp_path, seconds=600) as builder:
        assert read_line(builder) == "ready"
        let_go(builder)
        assert read_line(builder) == "builds"
        (folder,) = (tmp_path / "cache").iterdir()
        (folder / "features.arrow.123.part").touch()
        killer = threading.Timer(0.6, builder.send_signal, [signal.SIGKILL])
        killer.start()
        with caplog.at_level(logging.INFO, "qarank"):
            table, was_cached = load_or_build_features(
                almanac("validation")[:20], bert, **LENGTHS, cache_dir=tmp_path / "cache"
            )
        killer.join()
    assert not was_cached and len(table) > 0
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"waiting for another process to build the features in {folder}"]
    assert not (folder / "features.arrow.123.part").exists()


def test_who_need_not_wait_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "qarank"):
        for _ in range(2):
            with only_builder(tmp_path / "new" / "features.arrow"):
                pass
    assert not caplog.records


def test_the_lock_is_let_go_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), only_builder(tmp_path / "features.arrow"):
        raise KeyError("x")
    with only_builder(tmp_path / "features.arrow"):
        pass


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    told = r"features\.arrow: the features cannot be written \(.+\)$"
    with (
        pytest.raises(RunError, match=told),
        only_builder(tmp_path / "taken" / "features.arrow"),
    ):
        pass
