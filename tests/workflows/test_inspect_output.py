import csv
import io
import json
from pathlib import Path

import pytest

from qarank.report.rank_correlation import correlate_ranks
from qarank.report.trajectory import describe_rounds
from qarank.workflows.inspect_output import Inspected, label_runs, to_documents, to_rank_csv
from qarank.workflows.inspect_ranks import MatrixRank, RankReport, split_path

PATHS = ("encoder.layer.0.query", "encoder.layer.1.query", "pooler.dense")
SPECTRUM = {
    "singular_values": [2.0, 1.0],
    "effective_rank": 1.6,
    "energy_1": 0.8,
    "energy_2": 1.0,
    "energy_4": 1.0,
    "orthogonality_A": 0.5,
    "orthogonality_B": None,
}
LINE = {"global_step": 4, "budget": 3, "ranks": dict.fromkeys(PATHS, 1), "revived": 0}


def make(label: str, *ranks: int, detailed: bool = False) -> Inspected:
    matrices = [
        MatrixRank(path, *split_path(path), rank, rank * 16, 8, 8)
        for path, rank in zip(PATHS, ranks, strict=True)
    ]
    report = RankReport(f"runs/{label}", "svd", 4, matrices)
    if not detailed:
        return Inspected(label, report)
    rounds = describe_rounds([LINE], dict.fromkeys(PATHS, 16), r=4)
    empty = {**SPECTRUM, "singular_values": [], "energy_1": None}
    return Inspected(
        label, report, rounds, {path: SPECTRUM if path in PATHS[:2] else empty for path in PATHS}
    )


def test_a_document_holds_what_was_asked_for_and_no_more() -> None:
    run = make("a", 2, 1, 0)
    (plain,) = to_documents([run], None)
    assert plain == run.report.to_dict()
    (detailed,) = to_documents([make("a", 2, 1, 0, detailed=True)], None)
    assert detailed["matrices"][0]["spectrum"] == SPECTRUM
    assert [each["global_step"] for each in detailed["rounds"]] == [4]
    assert detailed["rounds"][0]["ranks"] == LINE["ranks"]
    assert json.loads(json.dumps(detailed)) == detailed


def test_of_several_runs_each_has_its_correlation_with_all() -> None:
    runs = [make("a", 2, 1, 0), make("b", 0, 1, 2), make("c", 1, 1, 1)]
    found = to_documents(runs, correlate_ranks([run.report.ranks for run in runs]))
    assert [document["common_matrices"] for document in found] == [3, 3, 3]
    assert found[0]["rank_correlations"] == [1.0, -1.0, None]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_csv_has_a_row_a_matrix_and_says_whose() -> None:
    rows = list(csv.DictReader(io.StringIO(to_rank_csv([make("a", 2, 1, 0), make("b", 3, 3, 3)]))))
    assert [row["run"] for row in rows] == ["a"] * 3 + ["b"] * 3
    assert rows[0] == {
        "run": "a",
        "path": PATHS[0],
        "stack": "encoder.layer",
        "layer": "0",
        "name": "query",
        "rank": "2",
        "parameters": "32",
    }
    assert rows[2]["layer"] == ""


def test_csv_has_the_figures_of_the_spectra_where_asked() -> None:
    rows = list(csv.DictReader(io.StringIO(to_rank_csv([make("a", 2, 1, 0, detailed=True)]))))
    assert (rows[0]["largest_singular_value"], rows[0]["effective_rank"]) == ("2.0", "1.6")
    assert (rows[2]["largest_singular_value"], rows[2]["energy_1"]) == ("", "")


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (["runs/a"], ["a"]),
        (["runs/a", "runs/b"], ["a", "b"]),
        (["runs/x/seed1", "runs/y/seed1"], ["x/seed1", "y/seed1"]),
        (["runs/a", "runs/a"], ["a", "a (2)"]),
        (["runs/a", "runs/a/checkpoints/step_4"], ["a", "a/checkpoints/step_4"]),
        (["runs/a", "../other"], None),
    ],
)
def test_labels_are_short_and_tell_runs_apart(paths: list[str], labels: list[str] | None) -> None:
    found = label_runs([Path(path) for path in paths])
    assert len(set(found)) == len(paths)
    assert labels is None or found == labels


def test_the_current_folder_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert label_runs([Path()]) == [tmp_path.name]
