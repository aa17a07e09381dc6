import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qarank.artifacts.checkpoint import verify_checkpoint
from tests.faults.launching import Ended, Launcher

MEBIBYTE = 2**20


@pytest.fixture
def mount_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a disk of so many bytes as the folder of runs."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(size: int) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("there is no mount command")
        if done.returncode:
            pytest.skip(f"nothing may be mounted here: {done.stderr.strip()}")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_too_small_is_refused_before_anything_is_written(
    launcher: Launcher, recipe_file: Path, mount_disk: Callable[[int], Path]
) -> None:
    disk = mount_disk(MEBIBYTE // 8)
    ended = launcher.run("train", recipe_file, "--set", f"runs_dir={disk}")
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert line.startswith(f"qarank: {disk}: the run run needs ") and "0.1 MiB are free" in line
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize(
    ("scope", "step", "number", "last"),
    [("save", 42, 1, 36), ("save", 42, 200, 36), ("step", 38, 1, 36), ("evaluation", 45, 540, 42)],
)
def test_a_full_disk_ends_with_one_line_and_with_space_again_the_run_goes_on(
    scope: str,
    step: int,
    number: int,
    last: int,
    launcher: Launcher,
    recipe_file: Path,
    killed_run: Path,
    mount_disk: Callable[[int], Path],
    assert_same: Callable[..., None],
) -> None:
    disk = mount_disk(16 * MEBIBYTE)
    shutil.copytree(killed_run, disk / "run")
    words = ["train", str(recipe_file), "--set", f"runs_dir={disk}"]
    moment = {"scope": scope, "step": step, "number": number}
    filler = disk / "filler"
    ended = launcher.run(*words, "--resume", fill_disk={"moment": moment, "filler": str(filler)})
    how = f"go on with qarank {' '.join(words)} --resume"
    assert_told(ended, f"cannot be written: No space left on device; {how}")
    assert_whole(disk / "run", last)
    filler.unlink()
    resumed = launcher.run(*words, "--resume")
    assert resumed.code == 0, resumed.err
    assert f"going on after step {last} of 60" in resumed.err
    assert_same(disk / "run")


def test_a_folder_gone_read_only_ends_the_run_as_a_full_disk_does(
    launcher: Launcher,
    recipe_file: Path,
    killed_run: Path,
    mount_disk: Callable[[int], Path],
    assert_same: Callable[..., None],
) -> None:
    disk = mount_disk(16 * MEBIBYTE)
    folder = shutil.copytree(killed_run, disk / "run") / "checkpoints"
    words = ["train", str(recipe_file), "--set", f"runs_dir={disk}", "--resume"]
    moment = {"scope": "save", "step": 42, "number": 1}
    ended = launcher.run(*words, make_read_only={"moment": moment, "folder": str(folder)})
    subprocess.run(["umount", str(folder)], check=True)
    how = f"go on with qarank {' '.join(words)}"
    assert_told(ended, f"step_000042 cannot be written: Read-only file system; {how}")
    assert_whole(disk / "run")
    assert launcher.run(*words).code == 0
    assert_same(disk / "run")


def test_a_quota_ends_the_run_as_a_full_disk_does(
    launcher: Launcher, arguments: list[str], killed_run: Path, assert_same: Callable[..., None]
) -> None:
    words = [*arguments, "--resume"]
    moment = {"scope": "save", "step": 42, "number": 1}
    ended = launcher.run(*words, limit_file_size={"moment": moment, "limit": 20_000})
    assert_told(ended, f"; go on with qarank {' '.join(words)}")
    assert "cannot be written" in ended.last_line and "File too large" in ended.last_line
    assert_whole(killed_run)
    assert launcher.run(*words).code == 0
    assert_same(killed_run)


def assert_told(ended: Ended, end: str) -> None:
    """One line, its end given, and the exit code of a run that could not go on."""
    assert ended.code == 3, ended.err
    assert ended.last_line.endswith(end), ended.last_line
    assert "Traceback" not in ended.err


def assert_whole(run_dir: Path, last: int = 36) -> None:
    """The last good checkpoint verifies, and nothing half written is left."""
    checkpoints = sorted(path.name for path in (run_dir / "checkpoints").iterdir())
    assert checkpoints == [f"step_{step:06d}" for step in (last - 6, last)]
    for name in checkpoints:
        verify_checkpoint(run_dir / "checkpoints" / name)
    assert [path.name for path in run_dir.rglob(".*")] == [".lock"]
