import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

IN_A_NEW_PROCESS = """
import sys
from qarank.cli.app import main
sys.argv = ["qarank", "inspect-ranks", *sys.argv[1:]]
try:
    main()
finally:
    print([name for name in ("torch", "transformers") if name in sys.modules], file=sys.stderr)
"""


def test_programs_get_one_document_without_loading_torch(trained_run: Path) -> None:
    command = [sys.executable, "-c", IN_A_NEW_PROCESS, str(trained_run), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    report = json.loads(done.stdout)
    ranks = json.loads((trained_run / "run.json").read_text())["result"]["ranks"]
    assert {matrix["path"]: matrix["rank"] for matrix in report["matrices"]} == ranks
    assert report["total_rank"] == 24
    assert done.stderr == "[]\n"


def test_rounds_files_and_several_runs_need_no_torch_either(
    trained_run: Path, tmp_path: Path
) -> None:
    words = [str(trained_run)] * 2 + ["--rounds", "--csv", str(tmp_path / "ranks.csv"), "-q"]
    command = [sys.executable, "-c", IN_A_NEW_PROCESS, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "side by side" in done.stdout and (tmp_path / "ranks.csv").is_file()
    assert done.stderr == "[]\n"


def test_people_get_a_row_a_layer_and_sums_at_both_ends(
    trained_run: Path, run_cli: Callable[..., Any]
) -> None:
    out = run_cli("inspect-ranks", trained_run).out
    for word in ("query", "attention.output", "intermediate", "sum", "24 triplets of 48 kept"):
        assert word in out
    ranks = json.loads((trained_run / "run.json").read_text())["result"]["ranks"]
    in_layer_0 = sum(rank for path, rank in ranks.items() if ".layer.0." in path)
    row = next(line for line in out.splitlines() if line.strip("│| ").startswith("0 "))
    assert row.strip("│| ").split()[-1] == str(in_layer_0)


def test_several_runs_are_a_list(trained_run: Path, run_cli: Callable[..., Any]) -> None:
    done = run_cli("inspect-ranks", trained_run, trained_run, "--json")
    assert [report["total_rank"] for report in json.loads(done.out)] == [24, 24]
    assert run_cli("inspect-ranks", trained_run, trained_run).out.count("(svd)") == 2


def test_rounds_are_a_table_for_people_and_a_list_for_programs(
    trained_run: Path, run_cli: Callable[..., Any]
) -> None:
    out = run_cli("inspect-ranks", trained_run, "--rounds").out
    assert all(word in out for word in ("tiny: rounds", "threshold", "margin", "revived"))
    report = json.loads(run_cli("inspect-ranks", trained_run, "--rounds", "--json").out)
    lines = [json.loads(line) for line in (trained_run / "ranks.jsonl").read_text().splitlines()]
    for told, line in zip(report["rounds"], lines, strict=True):
        assert told["ranks"] == line["ranks"]
        assert told["triplets"] == sum(line["ranks"].values())


def test_spectra_come_with_each_matrix(trained_run: Path, run_cli: Callable[..., Any]) -> None:
    assert "tiny: spectra" in run_cli("inspect-ranks", trained_run, "--spectra").out
    report = json.loads(run_cli("inspect-ranks", trained_run, "--spectra", "--json").out)
    for matrix in report["matrices"]:
        assert len(matrix["spectrum"]["singular_values"]) == matrix["rank"]
    assert "rounds" not in report


def test_files_are_written_beside_what_is_printed(
    trained_run: Path, run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    png, csv = tmp_path / "ranks.png", tmp_path / "ranks.csv"
    done = run_cli("inspect-ranks", trained_run, "--png", png, "--csv", csv, "--json")
    assert (done.code, done.err) == (0, f"qarank: wrote {png}\nqarank: wrote {csv}\n")
    report = json.loads(done.out)
    assert "rounds" not in report, "they were read for the picture alone"
    assert png.read_bytes().startswith(b"\x89PNG")
    assert len(csv.read_text().splitlines()) == 1 + len(report["matrices"])


def test_a_file_of_the_users_stays_without_overwrite(
    trained_run: Path, run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    csv = tmp_path / "mine.csv"
    csv.write_text("mine")
    done = run_cli("inspect-ranks", trained_run, "--csv", csv)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"qarank: {csv} is there already; --overwrite replaces it\n"
    assert csv.read_text() == "mine"
    assert run_cli("inspect-ranks", trained_run, "--csv", csv, "--overwrite", "-q").code == 0
    assert csv.read_text().startswith("run,path")


@pytest.mark.parametrize(("option", "name"), [("--png", "a.jpg"), ("--csv", "a.png")])
def test_another_ending_is_refused_in_one_line(
    option: str, name: str, trained_run: Path, run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    done = run_cli("inspect-ranks", trained_run, option, tmp_path / name)
    assert done.code == 2
    assert f"must end in .{option[2:]}" in done.err and done.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_several_runs_are_compared(trained_run: Path, run_cli: Callable[..., Any]) -> None:
    out = run_cli("inspect-ranks", trained_run, trained_run).out
    assert "side by side" in out and "rank correlation" in out
    found = json.loads(run_cli("inspect-ranks", trained_run, trained_run, "--json").out)
    assert [report["rank_correlations"] for report in found] == [[1.0, 1.0]] * 2
