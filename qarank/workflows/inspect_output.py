"""What inspect-ranks found, for programs: JSON documents, CSV, and names to tell runs apart."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qarank.artifacts.tables import to_csv
from qarank.report.rank_correlation import RankCorrelation
from qarank.report.trajectory import RoundFigures
from qarank.workflows.inspect_ranks import RankReport

COLUMNS = ("run", "path", "stack", "layer", "name", "rank", "parameters")
SPECTRUM_COLUMNS = (
    "largest_singular_value",
    "effective_rank",
    "energy_1",
    "energy_2",
    "energy_4",
    "orthogonality_A",
    "orthogonality_B",
)


@dataclass(frozen=True)
class Inspected:
    """One run.

    Attributes:
        label: tells it from the others.
        report: its ranks.
        rounds: how it came to them; None where nobody asked.
        spectra: full module path -> figures of its update, as JSON takes them; None as before.
        last_step: the step that the ranks are known to have stood until; None of no run.
    """

    label: str
    report: RankReport
    rounds: list[RoundFigures] | None = None
    spectra: Mapping[str, dict[str, Any]] | None = None
    last_step: int | None = None


def to_documents(
    runs: Sequence[Inspected], correlation: RankCorrelation | None
) -> list[dict[str, Any]]:
    """A document a run.

    Beside the report's keys: `rounds` and in each matrix `spectrum` where asked; of several runs
    `rank_correlations` (with each run, in the documents' order; null where there is none) and
    `common_matrices`.
    """
    documents = []
    for number, run in enumerate(runs):
        document = run.report.to_dict()
        if run.spectra is not None:
            for matrix in document["matrices"]:
                matrix["spectrum"] = run.spectra[matrix["path"]]
        if run.rounds is not None:
            document["rounds"] = [asdict(each) for each in run.rounds]
        if correlation is not None:
            document["rank_correlations"] = correlation.rows()[number]
            document["common_matrices"] = correlation.common
        documents.append(document)
    return documents


def to_rank_csv(runs: Sequence[Inspected]) -> str:
    """A row a matrix, run after run; with the figures of its spectrum where asked."""
    rows = [
        {**asdict(matrix), "run": run.label, **_spectrum_cells(run, matrix.path)}
        for run in runs
        for matrix in run.report.matrices
    ]
    with_spectra = any(run.spectra is not None for run in runs)
    return to_csv([*COLUMNS, *(SPECTRUM_COLUMNS if with_spectra else ())], rows)


def _spectrum_cells(run: Inspected, path: str) -> dict[str, Any]:
    if run.spectra is None:
        return {}
    found = run.spectra[path]
    values = found["singular_values"]
    return {**found, "largest_singular_value": values[0] if values else None}


def label_runs(paths: Sequence[Path]) -> list[str]:
    """The part of each path that tells it from the others; its last name of one path alone.

    A path that is given twice gets a number.
    """
    whole = [path.absolute() for path in paths]
    shared = Path(os.path.commonpath([path.parent for path in whole]))
    labels = [path.relative_to(shared).as_posix() for path in whole]
    seen: Counter[str] = Counter()
    told = []
    for label in labels:
        seen[label] += 1
        told.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return told
