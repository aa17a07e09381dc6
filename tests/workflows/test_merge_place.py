"""Where a merge may not write, found before anything is written, and that it is left as it was."""

import json
from pathlib import Path
from typing import Any

import pytest

from qarank.errors import RunDirError
from qarank.workflows.merge import MergeOptions, merge_run
from qarank.workflows.merge_place import MERGE_INFO, check_apart, check_free

REPLACE = MergeOptions(overwrite=True)


def make_model(folder: Path) -> Path:
    """What a model's folder is known by, as a merge leaves it."""
    folder.mkdir(parents=True)
    for name in ("config.json", MERGE_INFO):
        (folder / name).write_text("{}")
    return folder


def make_run(folder: Path) -> Path:
    """A run with a checkpoint, and one copied out of it."""
    for checkpoint in (folder / "checkpoints" / "step_000004", folder.with_name("copied")):
        checkpoint.mkdir(parents=True)
        for name in ("adapter_config.json", "manifest.json"):
            (checkpoint / name).write_text("{}")
    (folder / "run.json").write_text(json.dumps({"result": {"best_checkpoint": "step_000004"}}))
    return folder


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_merge_does_not_replace_its_own_source(pruned_run: Any, tmp_path: Path) -> None:
    merged = tmp_path / "merged"
    merge_run(pruned_run.folder, merged, MergeOptions(to="lora"))
    before = files_of(tmp_path)
    (tmp_path / "link").symlink_to(merged, target_is_directory=True)
    for run, out in [(merged, merged), (merged, tmp_path / "link"), (tmp_path / "link", merged)]:
        with pytest.raises(RunDirError, match="is what would be read; choose another folder"):
            merge_run(run, out, REPLACE)
    with pytest.raises(RunDirError, match="lies in .*merged, which would be read"):
        merge_run(merged, merged / "more")
    (tmp_path / "link").unlink()
    assert files_of(tmp_path) == before


def test_a_merge_does_not_replace_the_base_of_its_adapter(
    pruned_run: Any, tmp_path: Path, tiny_model_dir: Path
) -> None:
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    merge_run(tiny_model_dir, base)
    merge_run(pruned_run.folder, adapter, MergeOptions(to="lora"))
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(base)
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    before = files_of(tmp_path)
    with pytest.raises(RunDirError, match="base is what would be read"):
        merge_run(adapter, base, REPLACE)
    assert files_of(tmp_path) == before


def test_a_finished_checkpoint_is_written_into_by_nobody(own_run: Any) -> None:
    before = files_of(own_run.folder)
    with pytest.raises(RunDirError, match="lies in the checkpoint .*; choose a folder outside it"):
        merge_run(own_run.folder, own_run.last_checkpoint / "m")
    assert files_of(own_run.folder) == before


@pytest.mark.parametrize(
    ("run", "out", "message"),
    [
        ("run", "run", "is what would be read"),
        ("run", ".", "holds .*run, which would be read"),
        ("run/checkpoints/step_000004", "run", "holds .*step_000004, which would be read"),
        ("model", "model/a/b", "lies in .*model, which would be read"),
        ("model", "linked/a", "lies in .*model, which would be read"),
        ("run", "run/checkpoints/step_000004", "lies in the checkpoint .*step_000004;"),
        ("run", "run/checkpoints/mine", "lies in the checkpoint .*mine;"),
        ("model", "run/checkpoints/step_000004/a/b", "lies in the checkpoint .*step_000004;"),
        ("model", "copied/a", "lies in the checkpoint .*copied;"),
    ],
)
def test_a_place_that_would_change_what_is_read_is_refused(
    run: str, out: str, message: str, tmp_path: Path
) -> None:
    make_run(tmp_path / "run")
    model = make_model(tmp_path / "model")
    (tmp_path / "linked").symlink_to(model, target_is_directory=True)
    with pytest.raises(RunDirError, match=message):
        check_apart(tmp_path / out, tmp_path / run)


@pytest.mark.parametrize("out", ["run/merged", "run/merged/deep", "beside", "checkpoints/mine"])
def test_a_folder_of_its_own_is_free_in_a_run_too(out: str, tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    check_apart(tmp_path / out, tmp_path / "run")
    check_apart(tmp_path / out, Path("sentence-transformers/all-MiniLM-L6-v2"))


def test_what_stands_there_is_told_apart(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    check_free(tmp_path / "new", overwrite=False)
    check_free(model, overwrite=True)
    with pytest.raises(RunDirError, match="--overwrite replaces it"):
        check_free(model, overwrite=False)
    (model / MERGE_INFO).unlink()
    with pytest.raises(RunDirError, match="holds something else"):
        check_free(model, overwrite=True)
