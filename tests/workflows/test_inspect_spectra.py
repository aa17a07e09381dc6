import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from qarank.artifacts.checkpoint import read_state
from qarank.errors import CheckpointError
from qarank.workflows.inspect_ranks import report_ranks
from qarank.workflows.inspect_spectra import report_spectra


def test_a_matrix_has_as_many_singular_values_as_triplets(pruned_run: Any) -> None:
    report = report_ranks(pruned_run.folder)
    spectra = report_spectra(report)
    assert list(spectra) == list(report.ranks)
    for path, rank in report.ranks.items():
        values = spectra[path].spectrum.singular_values
        assert len(values) == rank
        assert values == sorted(values, reverse=True)
        assert spectra[path].spectrum.effective_rank <= rank + 1e-6
    assert 0 in report.ranks.values()


def test_the_values_are_those_of_the_masked_update_in_the_state(pruned_run: Any) -> None:
    report = report_ranks(pruned_run.last_checkpoint)
    tensors, _ = read_state(pruned_run.last_checkpoint)
    pattern = json.loads((pruned_run.last_checkpoint / "rank_pattern.json").read_text())
    for path, found in report_spectra(report).items():
        down, size, up = (tensors[f"model.{path}.lora_{factor}"] for factor in "AEB")
        kept = torch.tensor(pattern["matrices"][path]["kept"])
        delta = pattern["alpha"] / pattern["r"] * up[:, kept] @ (size[kept] * down[kept])
        wanted = torch.linalg.svdvals(delta)[: int(kept.sum())].tolist()
        assert found.spectrum.singular_values == pytest.approx(wanted, rel=1e-4, abs=1e-6)


def test_svd_has_orthogonality_at_rank_0_too_unless_its_state_is_gone(own_run: Any) -> None:
    report = report_ranks(own_run.last_checkpoint)
    assert all(found.orthogonality for found in report_spectra(report).values())
    (own_run.last_checkpoint / "state" / "tensors.safetensors").unlink()
    assert not any(found.orthogonality for found in report_spectra(report).values())


def test_frd_has_sizes_in_its_factors_so_no_orthogonality(train_tiny: Callable[..., Any]) -> None:
    run = train_tiny(
        name="frd",
        adapter={"type": "frd", "r": 3},
        allocator={"type": "none"},
        train={"max_steps": 2, "batch_size": 8},
    )
    document = [each.to_dict() for each in report_spectra(report_ranks(run.folder)).values()]
    assert all(each["orthogonality_A"] is None for each in document)
    assert all(len(each["singular_values"]) == 3 for each in document)
    assert json.loads(json.dumps(document)) == document


def test_an_update_of_another_rank_than_the_pattern_is_damage(own_run: Any) -> None:
    path: Path = own_run.last_checkpoint / "rank_pattern.json"
    pattern = json.loads(path.read_text())
    name, matrix = next(iter(pattern["matrices"].items()))
    matrix["rank"] += 1
    path.write_text(json.dumps(pattern))
    with pytest.raises(CheckpointError, match=f"{name} has rank {matrix['rank']}"):
        report_spectra(report_ranks(own_run.last_checkpoint))
