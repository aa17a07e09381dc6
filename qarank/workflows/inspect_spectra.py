"""Singular values of each matrix's Delta W, and how orthonormal its triplets are. Loads torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from qarank.adapters.peft_names import LOW_RANK, PREFIX
from qarank.adapters.peft_updates import read_updates
from qarank.adapters.spectrum import Spectrum, measure_orthogonality, measure_spectrum
from qarank.artifacts.checkpoint import read_adapter
from qarank.artifacts.find_run import naming_folder
from qarank.artifacts.names import STATE_TENSORS
from qarank.artifacts.tensor_parts import read_some_tensors
from qarank.errors import CheckpointError
from qarank.workflows.inspect_ranks import RankReport

OF_MODEL = "model."  # begins the names of the model's tensors in a checkpoint's state
SHARES = {1: "energy_1", 2: "energy_2", 4: "energy_4"}


@dataclass(frozen=True)
class MatrixSpectrum:
    """One matrix.

    Attributes:
        spectrum: of Delta W, of the kept triplets.
        orthogonality: ||A A^T - I||_F and ||B^T B - I||_F, over all triplets that the folder has;
            None where A and B carry sizes of their own: frd, plain LoRA, and an svd checkpoint
            without its state.
    """

    spectrum: Spectrum
    orthogonality: tuple[float, float] | None

    def to_dict(self) -> dict[str, Any]:
        """For --json and --csv."""
        of_A, of_B = self.orthogonality or (None, None)
        return {
            "singular_values": self.spectrum.singular_values,
            "effective_rank": self.spectrum.effective_rank,
            **{name: self.spectrum.energy[count] for count, name in SHARES.items()},
            "orthogonality_A": of_A,
            "orthogonality_B": of_B,
        }


def report_spectra(report: RankReport) -> dict[str, MatrixSpectrum]:
    """Full module path -> its spectrum, of each matrix of the report.

    Raises:
        CheckpointError, AdapterError: the adapter cannot be read, or is not what the report names.
    """
    folder = Path(report.checkpoint)
    config, tensors = read_adapter(folder)
    with naming_folder(folder):
        updates = read_updates(config, tensors)
    for path, rank in report.ranks.items():
        found = updates[path].lora_A.shape[0] if path in updates else 0
        if found != rank:
            raise CheckpointError(
                f"{folder} is damaged: {path} has rank {rank}, its update {found}"
            )
    triplets = _read_triplets(folder, report.type, tensors)
    return {
        path: MatrixSpectrum(
            measure_spectrum(updates.get(path)),
            measure_orthogonality(triplets[path]) if path in triplets else None,
        )
        for path in report.ranks
    }


def _read_triplets(
    folder: Path, kind: str, adapter: Mapping[str, Tensor]
) -> dict[str, dict[str, Tensor]]:
    """Path -> factors as trained, with sizes apart in E; empty where the folder has none."""
    if kind == "ADALORA":
        return _group({name.removeprefix(PREFIX): tensor for name, tensor in adapter.items()})
    state = folder / STATE_TENSORS
    if kind != "svd" or not state.is_file():
        return {}
    tensors = read_some_tensors(state, lambda name: name.startswith(OF_MODEL) and ".lora_" in name)
    return _group({name.removeprefix(OF_MODEL): tensor for name, tensor in tensors.items()})


def _group(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        found = LOW_RANK.match(name)
        if found is not None:
            groups.setdefault(found["path"], {})[found["factor"]] = tensor
    return groups
