"""What people see of ranks: cells, colours where there are any, and what is left out."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qarank.cli.rank_table import print_ranks, print_rounds, print_side_by_side, print_spectra
from qarank.report.rank_correlation import correlate_ranks
from qarank.report.trajectory import describe_rounds
from qarank.workflows.inspect_output import Inspected
from qarank.workflows.inspect_ranks import MatrixRank, RankReport, split_path

RANKS = {
    "bert.encoder.layer.0.attention.self.query": 0,
    "bert.encoder.layer.0.output.dense": 3,
    "bert.encoder.layer.10.attention.self.query": 12,
    "pooler.dense": 1,
}
MINILM_KINDS = {  # in the model's order, with the sum of their sides
    "attention.self.query": 768,
    "attention.self.key": 768,
    "attention.self.value": 768,
    "attention.output.dense": 768,
    "intermediate.dense": 1920,
    "output.dense": 1920,
}
COLOUR = re.compile(r"\x1b\[[0-9;]*48;")  # a background


def make(
    ranks: Mapping[str, int] = RANKS, *, kind: str = "svd", label: str = "a", **more: Any
) -> Inspected:
    matrices = [
        MatrixRank(path, *split_path(path), rank, rank * 16, 8, 8) for path, rank in ranks.items()
    ]
    return Inspected(label, RankReport(f"runs/{label}", kind, 12, matrices), **more)


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As if stdout were a terminal with all colours."""
    for name, value in {
        "FORCE_COLOR": "1",
        "COLORTERM": "truecolor",
        "TERM": "xterm",
        "COLUMNS": "90",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return monkeypatch


def read_rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_row_is_a_layer_with_its_sum_and_a_place_without_a_matrix_a_dash(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_ranks(make().report)
    rows = read_rows(capsys.readouterr().out)
    assert ["layer", "query", "output", "pooler", "sum"] in rows
    assert ["0", "0", "3", "-", "3"] in rows
    assert ["10", "12", "-", "-", "12"] in rows
    assert ["all", "12", "3", "1", "16"] in rows
    assert "16 triplets of 48 kept, 256 parameters" in " ".join(" ".join(row) for row in rows)


def test_plain_lora_is_not_told_what_it_started_with(capsys: pytest.CaptureFixture[str]) -> None:
    print_ranks(make(kind="LORA").report)
    assert "16 triplets kept, 256 parameters" in capsys.readouterr().out


def test_notes_stand_below_the_sums(capsys: pytest.CaptureFixture[str]) -> None:
    report = replace(make(kind="LORA").report, notes=["also holds [a], not counted", "odd"])
    print_ranks(report)
    *_, sums, first, second, empty = capsys.readouterr().out.split("\n")[:-1]
    assert sums.startswith("16 triplets kept")
    assert (first, second, empty) == ("also holds [a], not counted", "odd", "")


def test_a_pipe_gets_no_colour_and_no_scale(capsys: pytest.CaptureFixture[str]) -> None:
    print_ranks(make().report)
    out = capsys.readouterr().out
    assert "\x1b" not in out and "rank 0" not in out


def test_a_terminal_gets_a_colour_a_rank_and_the_scale(
    on_terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    print_ranks(make().report)
    out = capsys.readouterr().out
    assert "38;2;255;255;255;48;2;8;48;107m12" in out, "white on the deepest"
    assert "38;2;0;0;0;48;2;244;248;252m0" in out, "black on the palest"
    assert out.splitlines()[-3].startswith("rank 0 ")


def test_no_color_is_obeyed(
    on_terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_terminal.setenv("NO_COLOR", "1")
    print_ranks(make().report)
    out = capsys.readouterr().out
    assert not COLOUR.search(out) and "rank 0" not in out
    assert "12" in out


def test_a_narrow_terminal_still_shows_every_rank(
    on_terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_terminal.setenv("COLUMNS", "30")
    on_terminal.setenv("NO_COLOR", "1")
    print_ranks(make().report)
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert ["10", "12", "-", "-", "12"] in read_rows(out)


def test_ranks_that_are_all_0_are_a_map_too(
    on_terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    print_ranks(make(dict.fromkeys(RANKS, 0)).report)
    assert "0 triplets of 48 kept, 0 parameters" in capsys.readouterr().out


def make_rounds(count: int) -> Inspected:
    lines = [
        {
            "global_step": 100 * step,
            "budget": 20,
            "threshold": 1.5e-9,
            "margin": 2.5e-11 if step > 1 else None,
            "ranks": RANKS,
            "revived": 3,
        }
        for step in range(1, count + 1)
    ]
    return make(rounds=describe_rounds(lines, dict.fromkeys(RANKS, 16), r=12))


def test_a_few_rounds_are_all_shown(capsys: pytest.CaptureFixture[str]) -> None:
    print_rounds(make_rounds(3))
    out = capsys.readouterr().out
    rows = read_rows(out)
    assert ["100", "20", "16", "256", "1.5e-09", "-", "3", "3"] in rows
    assert ["300", "20", "16", "256", "1.5e-09", "2.5e-11", "3", "0"] in rows
    assert "of 3 rounds" not in out


def test_many_rounds_are_thinned_and_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_rounds(make_rounds(431))
    out = capsys.readouterr().out
    steps = [row[0] for row in read_rows(out) if len(row) == 8 and row[0].isdecimal()]
    assert (len(steps), steps[0], steps[-1]) == (20, "100", "43100")
    assert "20 of 431 rounds, --json gives all" in out


def test_a_run_without_rounds_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_rounds(make(rounds=[]))
    assert capsys.readouterr().out.startswith("a: no rounds on record")


def test_spectra_show_the_largest_values_and_dashes_at_rank_0(
    capsys: pytest.CaptureFixture[str],
) -> None:
    some = {
        "singular_values": [4.0, 3.0, 2.0, 1.0, 0.5],
        "effective_rank": 2.5,
        "energy_1": 0.53,
        "energy_2": 0.83,
        "energy_4": 0.99,
        "orthogonality_A": 0.0042,
        "orthogonality_B": None,
    }
    none = {**some, "singular_values": [], "energy_1": None, "energy_2": None, "energy_4": None}
    print_spectra(make(spectra={path: some if rank else none for path, rank in RANKS.items()}))
    out = capsys.readouterr().out
    rows = read_rows(out)
    assert [
        "0",
        "output",
        "3",
        "2.50",
        *("53", "%", "83", "%", "99", "%"),
        "4",
        "3",
        "2",
        "..",
        "0.0042",
        "-",
    ] in rows
    assert ["0", "query", "0", "2.50", "-", "-", "-", "-", "0.0042", "-"] in rows
    heads = next(row for row in rows if row[:1] == ["matrix"])
    assert heads[3:9] == ["top", "1", "top", "2", "top", "4"]
    assert "top n: share of the energy in the n largest" in " ".join(out.split())


def test_means_of_an_adapter_without_its_matrices_of_rank_0_are_over_what_all_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = {path: rank for path, rank in RANKS.items() if rank}
    runs = [make(), make(kept, kind="LORA", label="b")]
    print_side_by_side(runs, correlate_ranks([run.report.ranks for run in runs]))
    rows = read_rows(capsys.readouterr().out)
    assert ["mean", "rank,", "query", "12.00", "12.00"] in rows
    assert ["matrices", "4", "3"] in rows


def test_runs_side_by_side_have_means_and_correlations(capsys: pytest.CaptureFixture[str]) -> None:
    fewer = {path: 5 - rank for path, rank in list(RANKS.items())[:3]}
    runs = [make(), make(fewer, label="b"), make(dict.fromkeys(RANKS, 2), label="c")]
    print_side_by_side(runs, correlate_ranks([run.report.ranks for run in runs]))
    out = capsys.readouterr().out
    rows = read_rows(out)
    assert ["triplets", "16", "0", "8"] in rows
    assert ["mean", "rank,", "query", "6.00", "-1.00", "2.00"] in rows
    assert "pooler" not in out, "a mean is over the matrices of all runs"
    words = " ".join(out.split())
    shared = "over the 3 matrices of all runs; 1 are not in all"
    assert f"mean ranks: {shared}" in words and f"Spearman's rho {shared}" in words
    assert ["a", "1.00", "-1.00", "-"] in rows


def test_the_readmes_ranks_are_printed_as_it_shows_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    after = readme.split("    .venv/bin/qarank inspect-ranks runs/quickstart/adalora\n", 1)[1]
    shown = [line.removeprefix("    ") for line in after.strip("\n").split("\n\n")[0].splitlines()]
    layers = [line.split() for line in shown if line[:1].isdecimal()][:-1]
    ranks = {
        f"bert.encoder.layer.{layer}.{kind}": int(rank)
        for layer, *row, _ in layers
        for kind, rank in zip(MINILM_KINDS, row, strict=True)
    }
    matrices = [
        MatrixRank(path, *split, rank, rank * MINILM_KINDS[split[2]], 0, 0)
        for path, rank in ranks.items()
        for split in [split_path(path)]
    ]
    print_ranks(RankReport(shown[0].removesuffix(" (svd)"), "svd", 6, matrices))
    printed = capsys.readouterr().out.splitlines()
    assert [line.rstrip() for line in printed if line.strip()] == shown
