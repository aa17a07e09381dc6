"""Ranks that go along where an adapter is written anew: matrices of rank 0 have no tensors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoModelForQuestionAnswering

from qarank.artifacts.names import ADAPTER_WEIGHTS, RANK_PATTERN
from qarank.artifacts.rank_file import read_ranks
from qarank.errors import AdapterError, CheckpointError, DataError
from qarank.workflows.inspect_ranks import report_ranks
from qarank.workflows.inspect_spectra import report_spectra
from qarank.workflows.kept_ranks import ranks_now, report_kept
from qarank.workflows.merge import MergeOptions, merge_run
from qarank.workflows.rank_curve import score_budgets
from qarank.workflows.saved_model import open_model

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
PHASES = {"tinit": 1, "tfinal": 2, "deltaT": 1, "total_step": 8}
TRAINED = {"modules_to_save": ["qa_outputs"]}


@pytest.fixture
def save_peft(tiny_model_dir: Path, tmp_path: Path) -> Callable[..., Path]:
    """Saves PEFT's folder; matrices whose name has one of these words are at rank 0."""

    def save(config: peft.PeftConfig, *, without: tuple[str, ...] = ()) -> Path:
        base = AutoModelForQuestionAnswering.from_pretrained(tiny_model_dir)
        folder = tmp_path / "peft"
        peft.get_peft_model(base, config).save_pretrained(folder)
        tensors = load_file(folder / ADAPTER_WEIGHTS)
        for name, tensor in tensors.items():
            if ".lora_" in name and any(word in name for word in without):
                tensors[name] = tensor[:, :0] if ".lora_B" in name else tensor[:0]
        cut = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(cut, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
        return folder

    return save


@pytest.mark.parametrize("to", ["lora", "adalora"])
@pytest.mark.parametrize("rank", [None, 1])
def test_an_adapter_written_anew_has_a_checkpoints_rank_pattern(
    to: str, rank: int | None, pruned_run: Any, tmp_path: Path
) -> None:
    merge_run(pruned_run.folder, tmp_path / "out", MergeOptions(to=to, rank=rank))
    of_run = json.loads((pruned_run.last_checkpoint / RANK_PATTERN).read_text())
    found = json.loads((tmp_path / "out" / RANK_PATTERN).read_text())
    assert list(found) == list(of_run) and list(found["matrices"]) == list(of_run["matrices"])
    for path, matrix in of_run["matrices"].items():
        kept = min(matrix["rank"], rank or matrix["rank"])
        flags = [place < kept for place in range(of_run["r"])]
        assert found["matrices"][path] == {**matrix, "rank": kept, "kept": flags}
    assert sum(read_ranks(tmp_path / "out" / RANK_PATTERN).values()) > 0
    report = report_ranks(tmp_path / "out")
    assert set(report_spectra(report)) == set(of_run["matrices"])


def test_a_dense_model_has_no_ranks(pruned_run: Any, tmp_path: Path) -> None:
    merge_run(pruned_run.folder, tmp_path / "out")
    assert not (tmp_path / "out" / RANK_PATTERN).exists()


def test_what_is_written_anew_twice_loses_nothing(pruned_run: Any, tmp_path: Path) -> None:
    merge_run(pruned_run.folder, tmp_path / "once", MergeOptions(to="adalora"))
    merge_run(tmp_path / "once", tmp_path / "twice", MergeOptions(to="lora"))
    assert report_ranks(tmp_path / "twice").matrices == report_ranks(pruned_run.folder).matrices


def test_pefts_matrices_of_rank_0_go_along(save_peft: Callable[..., Path], tmp_path: Path) -> None:
    config = peft.AdaLoraConfig(init_r=4, target_modules=["query", "key"], **PHASES, **TRAINED)
    folder = save_peft(config, without=("layer.0.attention.self.key",))
    merge_run(folder, tmp_path / "out", MergeOptions(to="lora"))
    found = report_ranks(tmp_path / "out").ranks
    assert found == report_ranks(folder).ranks
    assert sorted(found.values()) == [0, 4, 4, 4]
    assert list(found)[:2] == [
        f"bert.encoder.layer.0.attention.self.{name}" for name in ("query", "key")
    ], "as in the model"


def test_where_ranks_of_0_are_not_known_none_are_claimed(
    save_peft: Callable[..., Path], tmp_path: Path
) -> None:
    folder = save_peft(peft.LoraConfig(r=3, target_modules=["query"], **TRAINED))
    merge_run(folder, tmp_path / "out", MergeOptions(to="lora"))
    assert not (tmp_path / "out" / RANK_PATTERN).exists()


@pytest.fixture
def empty(save_peft: Callable[..., Path]) -> Path:
    """PEFT's AdaLoRA folder whose every matrix is at rank 0."""
    config = peft.AdaLoraConfig(init_r=4, target_modules=["query"], **PHASES, **TRAINED)
    return save_peft(config, without=("query",))


@pytest.mark.parametrize("options", [{"to": "lora"}, {"to": "adalora"}, {"rank": 2}])
def test_an_adapter_of_rank_0_everywhere_is_no_full_model(
    options: dict[str, Any], empty: Path, tmp_path: Path
) -> None:
    assert open_model(empty).is_adapter
    with pytest.raises(AdapterError, match=f"{empty} holds an .*: every matrix is at rank 0, so"):
        merge_run(empty, tmp_path / "out", MergeOptions(**options))
    assert not (tmp_path / "out").exists()


def test_an_adapter_of_rank_0_everywhere_becomes_dense_with_its_head(
    empty: Path, tmp_path: Path
) -> None:
    report = merge_run(empty, tmp_path / "out")
    assert (report["matrices"], report["largest_difference"]) == (0, 0.0)
    assert not open_model(tmp_path / "out").is_adapter


@pytest.mark.parametrize("settings", [TRAINED, {}])
def test_an_adapter_of_rank_0_everywhere_has_a_curve_of_one_row(
    settings: dict[str, Any], save_peft: Callable[..., Path], squad_file: Callable[[str], Path]
) -> None:
    config = peft.AdaLoraConfig(init_r=4, target_modules=["query"], **PHASES, **settings)
    folder = save_peft(config, without=("query",))
    (row,) = score_budgets(folder, [0], data=squad_file("mine"), precision="bf16")["budgets"]
    assert (row["budget"], row["parameters"], row["kept_energy"]) == (0, 0, 1.0)
    assert list(row["ranks"].values()) == [0, 0]
    with pytest.raises(DataError, match="--budgets names 1; .* keeps 0, so 0 alone"):
        score_budgets(folder, [1], data=squad_file("mine"))


def test_a_head_that_was_adapted_is_no_matrix(save_peft: Callable[..., Path]) -> None:
    folder = save_peft(peft.LoraConfig(r=3, target_modules="all-linear"))
    opened = open_model(folder, precision="fp32")
    report = report_kept(opened)
    assert list(report.ranks) == list(opened.layers)
    assert ranks_now(opened, report) == report.ranks


def test_another_adapters_ranks_are_told(pruned_run: Any, tmp_path: Path) -> None:
    merge_run(pruned_run.folder, tmp_path / "out", MergeOptions(to="lora"))
    path = tmp_path / "out" / RANK_PATTERN
    pattern = json.loads(path.read_text())
    gone = next(name for name, matrix in pattern["matrices"].items() if matrix["rank"])
    del pattern["matrices"][gone]
    path.write_text(json.dumps(pattern))
    with pytest.raises(
        CheckpointError, match=f"not of the adapter beside it: it gives {gone} rank 0"
    ):
        report_kept(open_model(tmp_path / "out", precision="fp32"))
