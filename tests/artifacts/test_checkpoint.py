import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from qarank.artifacts import checkpoint as checkpoint_module
from qarank.artifacts.checkpoint import (
    is_adapter,
    is_full_model,
    keep_newest,
    new_checkpoint,
    read_adapter,
    read_state,
    verify_checkpoint,
    write_adapter,
    write_state,
)
from qarank.errors import CheckpointError, RunError

CONFIG = {"peft_type": "LORA", "r": 2}
TENSORS = {"a.lora_A.weight": torch.arange(6.0).reshape(2, 3), "a.lora_B.weight": torch.ones(4, 2)}
STATE = {"optimizer.exp_avg": torch.full((3,), 0.5)}
FILES = [
    "adapter_config.json",
    "adapter_model.safetensors",
    "state/state.json",
    "state/tensors.safetensors",
]


def save(folder: Path, *, step: int = 12) -> Path:
    with new_checkpoint(folder) as beside:
        write_adapter(beside, CONFIG, TENSORS)
        write_state(beside, STATE, {"global_step": step})
    return folder


def assert_whole(folder: Path, step: int = 12) -> None:
    verify_checkpoint(folder)
    config, tensors = read_adapter(folder)
    state, values = read_state(folder)
    assert config == CONFIG and values == {"global_step": step}
    torch.testing.assert_close(tensors, TENSORS, rtol=0, atol=0)
    torch.testing.assert_close(state, STATE, rtol=0, atol=0)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_checkpoint_reads_back_and_stands_alone_in_its_folder(tmp_path: Path) -> None:
    assert_whole(save(tmp_path / "checkpoints" / "step_000012"))
    assert names_in(tmp_path / "checkpoints") == ["step_000012"]


def test_it_has_no_name_before_it_is_whole(tmp_path: Path) -> None:
    with new_checkpoint(tmp_path / "step_000012") as beside:
        assert not (tmp_path / "step_000012").exists()
        assert not list(tmp_path.glob("step_*")), "nor one that a run's list of them would find"
        assert beside.parent == tmp_path


def test_what_resuming_needs_may_be_a_view_or_share_memory(tmp_path: Path) -> None:
    shared = torch.arange(12.0).reshape(3, 4)
    write_state(tmp_path, {"a": shared.T, "b": shared[1]}, {})
    tensors, _ = read_state(tmp_path)
    assert torch.equal(tensors["a"], shared.T) and torch.equal(tensors["b"], shared[1])


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt(), SystemExit(130)])
def test_an_error_while_writing_leaves_nothing_behind(
    tmp_path: Path, old: bool, error: BaseException
) -> None:
    folder = tmp_path / "step_000012"
    if old:
        save(folder)
    with pytest.raises(type(error)), new_checkpoint(folder) as beside:
        (beside / "half.bin").write_bytes(b"x")
        raise error
    assert names_in(tmp_path) == (["step_000012"] if old else [])
    if old:
        assert_whole(folder)


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), SafetensorError("I/O error: no space")],
)
@pytest.mark.parametrize("where", ["save_file", "write_manifest", "fsync_tree"])
def test_a_full_disk_is_told_and_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception
) -> None:
    folder = save(tmp_path / "step_000012")

    def fail(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_module, where, fail)
        with pytest.raises(RunError, match=r"(?i)step_000012 cannot be written: .*no space"):
            save(folder, step=13)
    assert names_in(tmp_path) == ["step_000012"]
    assert_whole(folder)


def test_a_checkpoint_of_that_name_is_replaced_whole(tmp_path: Path) -> None:
    folder = save(tmp_path / "step_000012")
    (folder / "extra.txt").write_text("of the old one")
    save(folder, step=13)
    assert_whole(folder, step=13)
    assert names_in(tmp_path) == ["step_000012"]
    assert not (folder / "extra.txt").exists()


def test_what_a_killed_process_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    for name in (".step_000012.part", ".step_000012.old"):
        (tmp_path / name / "state").mkdir(parents=True)
        (tmp_path / name / "rest.bin").write_bytes(b"x")
    assert_whole(save(tmp_path / "step_000012"))
    assert names_in(tmp_path) == ["step_000012"]
    assert not (tmp_path / "step_000012" / "rest.bin").exists()


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_any_flipped_byte_of_any_file_is_found_and_the_file_named(
    tmp_path: Path, name: str
) -> None:
    folder = save(tmp_path / "step_000012")
    whole = (folder / name).read_bytes()
    draw = random.Random(3)
    places = {0, len(whole) - 1, *(draw.randrange(len(whole)) for _ in range(60))}
    if name == "manifest.json":
        places = set(range(len(whole)))
    for place in sorted(places):
        content = bytearray(whole)
        content[place] ^= draw.randrange(1, 256)
        (folder / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"step_000012.*{name}"):
            verify_checkpoint(folder)
    (folder / name).write_bytes(whole)
    verify_checkpoint(folder)


def test_a_changed_file_is_told_as_such(tmp_path: Path) -> None:
    folder = save(tmp_path / "step_000012")
    (folder / "state/state.json").write_text("{}")
    told = r"step_000012 is damaged: state/state\.json differs from its manifest\.json$"
    with pytest.raises(CheckpointError, match=told):
        verify_checkpoint(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found_by_name(tmp_path: Path, name: str) -> None:
    folder = save(tmp_path / "step_000012")
    (folder / name).unlink()
    told = rf"is damaged: {name} is missing, which manifest\.json names$"
    with pytest.raises(CheckpointError, match=told):
        verify_checkpoint(folder)


def test_a_file_the_disk_cannot_read_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(tmp_path / "step_000012")

    def fail(_: Path) -> str:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(checkpoint_module, "sha256_of", fail)
    told = r"is damaged: adapter_config\.json cannot be read: Input/output error$"
    with pytest.raises(CheckpointError, match=told):
        verify_checkpoint(folder)


def test_a_manifest_with_other_blanks_is_not_as_it_was_written(tmp_path: Path) -> None:
    path = save(tmp_path / "step_000012") / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    told = r"manifest\.json cannot be read: its text is not as it was written$"
    with pytest.raises(CheckpointError, match=told):
        verify_checkpoint(tmp_path / "step_000012")


def test_a_folder_without_a_manifest_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is not a checkpoint: no manifest\.json in it$"):
        verify_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b"{}\n", b'{\n  "sha256": {}\n}\n'])
def test_a_damaged_manifest_is_told(tmp_path: Path, content: bytes) -> None:
    (save(tmp_path / "step_000012") / "manifest.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"step_000012/manifest\.json cannot be read: "):
        verify_checkpoint(tmp_path / "step_000012")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1, 2]"])
@pytest.mark.parametrize("name", FILES)
def test_an_unreadable_file_is_a_checkpoint_error_with_its_name(
    tmp_path: Path, name: str, content: bytes
) -> None:
    folder = save(tmp_path / "step_000012")
    (folder / name).write_bytes(content)
    read = read_state if name.startswith("state") else read_adapter
    with pytest.raises(CheckpointError, match=rf"{name} cannot be read: [^\n]+$"):
        read(folder)


@pytest.mark.parametrize("name", FILES)
def test_reading_says_which_file_is_not_there(tmp_path: Path, name: str) -> None:
    folder = save(tmp_path / "step_000012")
    (folder / name).unlink()
    read = read_state if name.startswith("state") else read_adapter
    with pytest.raises(CheckpointError, match=rf"is incomplete: no {Path(name).name} in it$"):
        read(folder)


def test_an_adapter_and_a_full_model_are_told_apart(tmp_path: Path) -> None:
    assert (is_adapter(tmp_path), is_full_model(tmp_path)) == (False, False)
    (tmp_path / "config.json").write_text("{}")
    assert (is_adapter(tmp_path), is_full_model(tmp_path)) == (False, True)
    assert is_adapter(save(tmp_path / "step_000012"))


@pytest.mark.parametrize(
    ("keep", "best", "left"),
    [(2, None, "34"), (2, 1, "134"), (1, 3, "34"), (1, 4, "4"), (9, None, "1234"), (9, 2, "1234")],
)
def test_the_newest_are_kept_and_the_best(
    tmp_path: Path, keep: int, best: int | None, left: str
) -> None:
    folders = [save(tmp_path / f"step_00000{step}") for step in range(1, 5)]
    keep_newest(folders, keep, always=None if best is None else folders[best - 1])
    assert names_in(tmp_path) == [f"step_00000{step}" for step in left]


@pytest.mark.parametrize(
    ("keep", "out_of_turn", "left"),
    [
        (1, "24", "34"),  # 2 is older than the regular 3; 4 is the newest
        (2, "2", "34"),
        (2, "14", "234"),
        (1, "1234", "4"),
        (2, "1234", "34"),
        (1, "34", "24"),
    ],
)
def test_a_checkpoint_out_of_turn_counts_for_nothing_once_a_regular_one_follows(
    tmp_path: Path, keep: int, out_of_turn: str, left: str
) -> None:
    folders = [save(tmp_path / f"step_00000{step}") for step in range(1, 5)]
    keep_newest(
        folders, keep, always=None, is_regular=lambda folder: folder.name[-1] not in out_of_turn
    )
    assert names_in(tmp_path) == [f"step_00000{step}" for step in left]


def test_the_best_is_kept_though_saved_out_of_turn(tmp_path: Path) -> None:
    folders = [save(tmp_path / f"step_00000{step}") for step in range(1, 4)]
    keep_newest(folders, 1, always=folders[0], is_regular=lambda folder: folder != folders[0])
    assert names_in(tmp_path) == ["step_000001", "step_000003"]


def test_a_checkpoints_name_is_forced_to_disk_after_it_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, forced = tmp_path / "step_000012", []

    def note(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        forced.append((path.name, folder.exists()))

    monkeypatch.setattr(os, "fsync", note)
    save(folder)
    assert forced[-1] == (tmp_path.resolve().name, True)


SAVE_ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
import torch
from qarank.artifacts.checkpoint import new_checkpoint, write_adapter, write_state
from qarank.errors import RunError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
tensors = {"a.lora_A.weight": torch.ones(200_000)}
for folder in sys.argv[2:]:
    try:
        with new_checkpoint(Path(folder)) as beside:
            write_adapter(beside, {"r": 2}, tensors)
            write_state(beside, tensors, {"global_step": 18})
    except RunError as error:
        print(error)
"""


@pytest.mark.parametrize("max_bytes", [5, 4096, 500_000])
def test_where_no_more_can_be_written_the_checkpoints_before_stay_whole(
    tmp_path: Path, max_bytes: int
) -> None:
    folders = [save(tmp_path / f"step_00000{step}") for step in (6, 8)]
    to_save = [str(tmp_path / name) for name in ("step_000008", "step_000009")]  # one is there
    command = [sys.executable, "-c", SAVE_ON_A_FULL_DISK, str(max_bytes), *to_save]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    for line, name in zip(lines, ("step_000008", "step_000009"), strict=True):
        assert name in line and " cannot be written: " in line
    assert names_in(tmp_path) == ["step_000006", "step_000008"]
    for folder in folders:
        assert_whole(folder)
