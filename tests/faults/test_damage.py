import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.faults.launching import Launcher

FILES = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "README.md",
    "rank_pattern.json",
    "answering.json",
    "state/tensors.safetensors",
    "state/state.json",
    "manifest.json",
)


def flip_byte(path: Path, seed: int) -> None:
    content = bytearray(path.read_bytes())
    content[Random(seed).randrange(len(content))] ^= 1
    path.write_bytes(content)


def read_tree(folder: Path) -> dict[str, bytes]:
    """All but the lock and who holds it, which each command writes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in files
        if path.name not in (".lock", ".holder.json")
    }


def test_a_checkpoint_has_no_other_files(killed_run: Path) -> None:
    folder = killed_run / "checkpoints" / "step_000036"
    assert sorted(read_tree(folder)) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_found_and_the_checkpoint_before_is_used(
    name: str, launcher: Launcher, arguments: list[str], killed_run: Path, tmp_path: Path
) -> None:
    latest = killed_run / "checkpoints" / "step_000036"
    flip_byte(latest / name, seed=len(name))
    kill = {"moment": {"scope": "step", "step": 31, "number": 1}, "note": str(tmp_path / "note")}
    ended = launcher.run(*arguments, "--resume", kill=kill)
    assert ended.code == -signal.SIGKILL, ended.err
    (warning,) = (line for line in ended.err.splitlines() if "the one before it is used" in line)
    assert str(latest) in warning and name in warning and "step_000030" in warning, warning
    assert "going on after step 30 of 60" in ended.err


def test_the_checkpoint_before_a_damaged_one_leads_to_the_same_end(
    launcher: Launcher, arguments: list[str], killed_run: Path, assert_same: Callable[..., None]
) -> None:
    latest = killed_run / "checkpoints" / "step_000036"
    flip_byte(latest / "state/tensors.safetensors", seed=0)
    ended = launcher.run(*arguments, "--resume")
    assert ended.code == 0, ended.err
    shutil.rmtree(latest.with_name("damaged_step_000036"))  # kept for whoever wants to look at it
    assert_same(killed_run)


def test_where_every_checkpoint_is_damaged_nothing_is_touched(
    launcher: Launcher, arguments: list[str], killed_run: Path
) -> None:
    for seed, folder in enumerate(sorted((killed_run / "checkpoints").iterdir())):
        flip_byte(folder / FILES[seed], seed)
    before = read_tree(killed_run)
    ended = launcher.run(*arguments, "--resume")
    assert ended.code == 2
    assert ended.last_line.startswith(f"qarank: {killed_run} has no good checkpoint to go on from")
    assert FILES[0] in ended.last_line and "--overwrite starts anew" in ended.last_line
    assert "Traceback" not in ended.err
    assert read_tree(killed_run) == before
