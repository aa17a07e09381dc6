"""The rank of every matrix of an opened adapter, of rank 0 too: those have no tensors to tell."""

from dataclasses import replace
from typing import Any

from qarank.artifacts.names import RANK_PATTERN
from qarank.workflows.inspect_ranks import RankReport, report_ranks
from qarank.workflows.model import HEAD
from qarank.workflows.saved_model import OpenedModel


def report_kept(opened: OpenedModel) -> RankReport:
    """What inspect-ranks says of the folder, in the model's order; a head is no matrix.

    Raises:
        CheckpointError: its rank_pattern.json cannot be read, or is another adapter's; or the
            folder names no matrix.
    """
    report = report_ranks(opened.folder)
    places = {path: place for place, (path, _) in enumerate(opened.reader.model.named_modules())}
    matrices = [matrix for matrix in report.matrices if matrix.path != HEAD]
    matrices.sort(key=lambda matrix: places.get(matrix.path, len(places)))
    return replace(report, matrices=matrices)


def ranks_now(opened: OpenedModel, report: RankReport) -> dict[str, int]:
    """Full module path -> rank, of each matrix of the report, after whatever was cut."""
    layers = opened.layers
    return {path: layers[path].rank if path in layers else 0 for path in report.ranks}


def is_complete(opened: OpenedModel, report: RankReport) -> bool:
    """Whether the folder tells of its matrices of rank 0; plain LoRA's tensors alone do not."""
    return (opened.folder / RANK_PATTERN).is_file() or 0 in report.ranks.values()


def describe_kept(
    opened: OpenedModel, report: RankReport, *, kind: str, alpha: float
) -> dict[str, Any]:
    """A checkpoint's rank_pattern.json for its adapter in another form.

    Args:
        opened: the adapter, as it is written.
        report: of the folder it came from.
        kind: peft_type of what is written.
        alpha: its lora_alpha.
    """
    ranks = ranks_now(opened, report)
    return {
        "type": kind,
        "r": report.r,
        "alpha": alpha,
        "matrices": {
            matrix.path: {
                "rank": ranks[matrix.path],
                "kept": [place < ranks[matrix.path] for place in range(report.r)],
                "in_features": matrix.in_features,
                "out_features": matrix.out_features,
            }
            for matrix in report.matrices
        },
    }
