"""inspect-ranks on adapter folders that PEFT wrote, and on merged ones."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import BertConfig, BertForQuestionAnswering

from qarank.errors import AdapterError, CheckpointError, RunDirError
from qarank.workflows.inspect_ranks import report_ranks
from qarank.workflows.inspect_rounds import report_rounds
from qarank.workflows.inspect_spectra import report_spectra
from qarank.workflows.merge import MergeOptions, merge_run

pytestmark = [
    pytest.mark.filterwarnings("ignore:Adapter 'default'"),
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"),
]
TARGETS = ["query", "key"]
QUERY = "bert.encoder.layer.{}.attention.self.query"


def save(config: peft.PeftConfig, folder: Path, *, steps: int = 0) -> Path:
    """A small BERT's adapter as PEFT writes it; with steps, after as many of its own rounds."""
    torch.manual_seed(0)
    base = BertForQuestionAnswering(
        BertConfig(
            hidden_size=16,
            num_hidden_layers=12,
            num_attention_heads=2,
            intermediate_size=24,
            vocab_size=40,
            max_position_embeddings=16,
        )
    )
    model = peft.get_peft_model(base, config)
    ids = torch.arange(12).reshape(1, 12)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for step in range(1, steps + 1):
        positions = torch.tensor([3])
        model(input_ids=ids, start_positions=positions, end_positions=positions).loss.backward()
        optimizer.step()
        if isinstance(config, peft.AdaLoraConfig):
            model.base_model.update_and_allocate(step)
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


def adalora(**more: Any) -> peft.AdaLoraConfig:
    phases = {"tinit": 1, "tfinal": 2, "deltaT": 1, "total_step": 8}
    return peft.AdaLoraConfig(init_r=4, lora_alpha=9, target_modules=TARGETS, **phases, **more)


def test_a_lora_folder_has_its_ranks_layer_by_layer_in_the_models_order(tmp_path: Path) -> None:
    pattern = {"layer.1.attention.self.query": 5}
    config = peft.LoraConfig(r=3, rank_pattern=pattern, target_modules=TARGETS)
    report = report_ranks(save(config, tmp_path))
    assert (report.type, report.r, len(report.matrices)) == ("LORA", 5, 24)
    assert report.ranks[QUERY.format(1)] == 5
    assert report.total_rank == 23 * 3 + 5
    assert report.total_parameters == 32 * report.total_rank
    assert [matrix.layer for matrix in report.matrices[::2]] == list(range(12))
    assert report_rounds(tmp_path, report) == []


def test_a_pruned_adalora_folder_keeps_matrices_of_rank_0(tmp_path: Path) -> None:
    report = report_ranks(save(adalora(target_r=1), tmp_path, steps=8))
    assert (report.type, report.r, len(report.matrices)) == ("ADALORA", 4, 24)
    assert 0 in report.ranks.values()
    assert 0 < report.total_rank < 4 * 24


def test_a_pruned_adalora_folder_has_spectra_and_orthogonality(tmp_path: Path) -> None:
    report = report_ranks(save(adalora(target_r=1), tmp_path, steps=8))
    for path, found in report_spectra(report).items():
        assert len(found.spectrum.singular_values) == report.ranks[path]
        assert found.orthogonality is not None
        assert all(error >= 0 for error in found.orthogonality)


def test_a_fresh_lora_folder_has_an_update_of_zero_and_no_orthogonality(tmp_path: Path) -> None:
    report = report_ranks(save(peft.LoraConfig(r=3, target_modules=TARGETS), tmp_path))
    for found in report_spectra(report).values():
        assert found.spectrum.singular_values == [0.0, 0.0, 0.0]
        assert found.spectrum.effective_rank == 0.0
        assert found.orthogonality is None


@pytest.mark.parametrize("to", ["lora", "adalora"])
def test_a_merged_folder_has_the_ranks_of_its_run(to: str, pruned_run: Any, tmp_path: Path) -> None:
    merge_run(pruned_run.folder, tmp_path / "out", MergeOptions(to=to))
    of_run, merged = (report_ranks(path) for path in (pruned_run.folder, tmp_path / "out"))
    assert 0 in of_run.ranks.values()
    assert (merged.matrices, merged.r) == (of_run.matrices, of_run.r)
    assert merged.type == to.upper()


def test_a_checkpoint_copied_out_of_its_run_keeps_its_pattern(
    pruned_run: Any, tmp_path: Path
) -> None:
    names = ("adapter_config.json", "adapter_model.safetensors", "rank_pattern.json")
    for name in names:
        (tmp_path / name).write_bytes((pruned_run.last_checkpoint / name).read_bytes())
    report = report_ranks(tmp_path)
    assert report.ranks == report_ranks(pruned_run.last_checkpoint).ranks
    assert 0 in report.ranks.values()
    assert report_rounds(tmp_path, report) == []


def test_ranks_of_a_peft_folder_need_no_torch(tmp_path: Path) -> None:
    save(peft.LoraConfig(r=3, target_modules=TARGETS), tmp_path)
    code = (
        "import sys; from pathlib import Path;"
        "from qarank.workflows.inspect_ranks import report_ranks;"
        f"report_ranks(Path({str(tmp_path)!r})); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_another_method_is_told(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "IA3"}))
    with pytest.raises(AdapterError, match="peft_type is 'IA3'; LORA and ADALORA are read"):
        report_ranks(tmp_path)


def test_an_adapter_without_its_tensors_is_told(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    with pytest.raises(CheckpointError, match=r"no adapter_model\.safetensors in it"):
        report_ranks(tmp_path)


def test_a_full_model_has_no_ranks(tiny_model_dir: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing there was adapted"):
        report_ranks(tiny_model_dir)


def test_any_other_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match="is not a run"):
        report_ranks(tmp_path)


def test_spectra_that_cannot_be_read_are_told_with_the_folder(tmp_path: Path) -> None:
    for name in ("plain", "dora"):
        config = peft.LoraConfig(r=3, target_modules=TARGETS, use_dora=name == "dora")
        save(config, tmp_path / name)
    report_spectra(report_ranks(tmp_path / "plain"))
    with pytest.raises(AdapterError, match=f"^{tmp_path}/dora: adapter_config.json: use_dora"):
        report_spectra(report_ranks(tmp_path / "dora"))


def test_a_pattern_beside_an_adapter_that_is_no_checkpoint_brings_matrices_of_rank_0(
    pruned_run: Any, tmp_path: Path
) -> None:
    merge_run(pruned_run.folder, tmp_path / "out", MergeOptions(to="lora"))
    pattern = (pruned_run.last_checkpoint / "rank_pattern.json").read_bytes()
    (tmp_path / "out" / "rank_pattern.json").write_bytes(pattern)
    report = report_ranks(tmp_path / "out")
    assert report.ranks == report_ranks(pruned_run.folder).ranks
    assert 0 in report.ranks.values() and not report.notes


@pytest.mark.parametrize(
    "document",
    [
        [1],
        {"query": 2},
        {"type": "svd", "r": 4},
        {"type": "svd", "r": 4, "matrices": {"query": {"rank": "a few"}}},
        {"type": "svd", "r": 4, "matrices": {"query": {"rank": 3}}},
    ],
)
def test_a_foreign_file_of_the_patterns_name_is_told_in_a_line(
    document: object, tmp_path: Path
) -> None:
    save(peft.LoraConfig(r=3, target_modules=TARGETS), tmp_path)
    path = tmp_path / "rank_pattern.json"
    path.write_text(json.dumps(document))
    needed = "type, r, and matrices with rank, in_features and out_features are read"
    with pytest.raises(CheckpointError, match=f"^{path} is not one of qarank's: {needed}$"):
        report_ranks(tmp_path)


@pytest.mark.parametrize(("rank", "told"), [(2, 2), (3, 3), (0, 0)])
def test_a_pattern_of_another_adapter_is_told(rank: int, told: int, tmp_path: Path) -> None:
    save(peft.LoraConfig(r=3, target_modules=TARGETS), tmp_path)
    entry = {"rank": rank, "in_features": 16, "out_features": 16}
    pattern = {"type": "svd", "r": 4, "matrices": {QUERY.format(0): entry}}
    (tmp_path / "rank_pattern.json").write_text(json.dumps(pattern))
    name = QUERY.format(0) if rank != 3 else "bert.encoder.layer.0.attention.self.key"
    line = f"gives {name} rank {told if rank != 3 else 0}, adapter_model.safetensors has 3$"
    with pytest.raises(CheckpointError, match=f"is not of the adapter beside it: it {line}"):
        report_ranks(tmp_path)


def test_what_is_held_and_not_counted_is_told_with_why_others_refuse_it(tmp_path: Path) -> None:
    save(peft.LoraConfig(r=2, target_modules=["query"], use_dora=True), tmp_path)
    report = report_ranks(tmp_path)
    assert report.total_rank == 2 * 12
    assert report.notes == [
        f"also holds {QUERY.format(0)}.lora_magnitude_vector and 11 tensors more, 192 parameters, "
        "not counted",
        "eval and merge refuse it: adapter_config.json: use_dora cannot be read: DoRA scales whole "
        "columns of the weight",
    ]
    assert report.to_dict()["notes"] == report.notes
