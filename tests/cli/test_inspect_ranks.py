import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
