import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.workflows import push


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
    for word in ("off by form and precision, of the largest logit", "triplets", "step_0000"):
        assert word in first.out
    assert "lower rank" not in first.out
    refused = run_cli("merge", trained_run, out)
    assert (refused.code, refused.err) == (
        2,
        f"qarank: {out} holds a merged model; --overwrite replaces it\n",
    )
    assert run_cli("merge", trained_run, out, "--overwrite").code == 0


def test_form_precision_and_rank_are_options(
    trained_run: Path, run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    words = ("--to", "adalora", "--dtype", "bf16", "--rank", "1")
    done = run_cli("merge", trained_run, tmp_path / "out", *words, "--json")
    shown = run_cli("merge", trained_run, tmp_path / "out", *words, "--overwrite").out
    for word in ("off by the lower rank, of the largest logit", "of ||Delta W||^2 kept", "bf16"):
        assert word in shown
    report = json.loads(done.out)
    assert (report["to"], report["dtype"]) == ("adalora", "bf16")
    assert report["ranks"] == report["matrices"]
    assert 0 < report["largest_difference"] < 0.1 and report["cut_difference"] > 0
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "gguf"], "dense, lora"),
        (["--dtype", "int8"], "fp32, bf16"),
        (["--private"], "--private goes with --push-to-hub only"),
    ],
)
def test_what_is_no_choice_is_one_line(
    words: list[str],
    message: str,
    trained_run: Path,
    run_cli: Callable[..., Any],
    tmp_path: Path,
) -> None:
    done = run_cli("merge", trained_run, tmp_path / "out", *words)
    assert (done.code, done.out) == (2, "")
    assert message in done.err and done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_model_goes_up_after_it_was_written_and_only_where_it_may(
    trained_run: Path,
    run_cli: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, told = tmp_path / "out", []

    def check(name: str) -> None:
        told.append((name, out.exists()))

    def send(folder: Path, name: str, *, private: bool) -> str:
        told.append((name, (folder / "README.md").is_file(), private))
        return "https://hub/commit/1"

    monkeypatch.setattr(push, "check_pushable", check)
    monkeypatch.setattr(push, "push_folder", send)
    done = run_cli("merge", trained_run, out, "--push-to-hub", "me/mine", "--private", "--json")
    assert json.loads(done.out)["pushed"] == "https://hub/commit/1"
    assert told == [("me/mine", False), ("me/mine", True, True)]


def test_a_hub_out_of_reach_is_told_before_anything_is_written(
    trained_run: Path,
    run_cli: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(push, "is_hub_reachable", lambda: False)
    done = run_cli("merge", trained_run, tmp_path / "out", "--push-to-hub", "me/mine")
    assert (done.code, done.out) == (2, "")
    assert done.err == "qarank: --push-to-hub me/mine: the hub cannot be reached\n"
    assert not (tmp_path / "out").exists()
