import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_a_merge_is_a_folder_and_a_report(
    trained_run: Path, run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "merged"
    done = run_cli("merge", trained_run, out, "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["largest_difference"] <= 1e-4
    assert (out / "model.safetensors").is_file()


def test_a_merged_model_is_kept_unless_asked(
    trained_run: Path, run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "merged"
    first = run_cli("merge", trained_run, out)
    assert "largest difference" in first.out.replace("_", " ")
    refused = run_cli("merge", trained_run, out)
    assert (refused.code, refused.err) == (
        2,
        f"qarank: {out} holds a merged model; --overwrite replaces it\n",
    )
    assert run_cli("merge", trained_run, out, "--overwrite").code == 0
