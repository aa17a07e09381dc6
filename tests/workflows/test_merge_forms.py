"""Merge in every form and precision, of a run and of adapters that PEFT made."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from qarank.engine.precision import DTYPES
from qarank.errors import AdapterError, CheckpointError
from qarank.workflows import merge
from qarank.workflows.logits import TOLERANCES, compute_logits, largest_difference
from qarank.workflows.merge import MergeOptions, build_probe, merge_run
from qarank.workflows.merge_place import MERGE_INFO
from qarank.workflows.saved_model import open_model

# A name that transformers has changed and PEFT still asks for.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
FORMS = ("dense", "lora", "adalora")
HEAD = {"modules_to_save": ["qa_outputs"]}
PHASES = {"tinit": 1, "tfinal": 2, "deltaT": 1, "total_step": 8}
ADAPTERS: dict[str, peft.PeftConfig] = {
    "lora": peft.LoraConfig(r=3, target_modules=["query", "dense"], **HEAD),
    "all-linear": peft.LoraConfig(r=6, target_modules="all-linear"),
    "adalora": peft.AdaLoraConfig(init_r=4, target_r=2, target_modules=["key"], **PHASES, **HEAD),
    "biases": peft.LoraConfig(r=3, target_modules=["query"], bias="lora_only", **HEAD),
}
Source = Callable[[str], tuple[Path, Tensor]]


@pytest.fixture
def source(pruned_run: Any, tiny_model_dir: Path, tmp_path: Path) -> Source:
    """A folder to merge, by name, and its logits on the probe as whoever made it has them."""

    def find(name: str) -> tuple[Path, Tensor]:
        batch = build_probe(AutoTokenizer.from_pretrained(tiny_model_dir))
        if name == "run":
            opened = open_model(pruned_run.last_checkpoint, precision="fp32")
            return pruned_run.last_checkpoint, compute_logits(opened.reader.model, batch)
        torch.manual_seed(3)
        base = AutoModelForQuestionAnswering.from_pretrained(tiny_model_dir, dtype=torch.float32)
        model = peft.get_peft_model(base, ADAPTERS[name])
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.2 * torch.randn_like(parameter))
        model.save_pretrained(tmp_path / name)
        return tmp_path / name, compute_logits(model, batch)

    return find


def weights_of(folder: Path) -> Path:
    (path,) = folder.glob("*model.safetensors")
    return path


@pytest.mark.parametrize(("to", "dtype"), list(product(FORMS, DTYPES)))
@pytest.mark.parametrize("name", ["run", "lora", "adalora", "all-linear"])
def test_what_is_written_has_the_form_the_precision_and_the_logits(
    name: str, to: str, dtype: str, source: Source, tmp_path: Path
) -> None:
    path, logits = source(name)
    out = tmp_path / "out"
    report = merge_run(path, out, MergeOptions(to=to, dtype=dtype))
    stored = json.loads((out / MERGE_INFO).read_text())
    assert report == {**stored, "out": str(out)}
    assert (stored["to"], stored["dtype"]) == (to, dtype)
    assert (out / "config.json").is_file() == (to == "dense")
    if to != "dense":
        kind = json.loads((out / "adapter_config.json").read_text())["peft_type"]
        assert kind == to.upper()
    assert {tensor.dtype for tensor in load_file(weights_of(out)).values()} == {DTYPES[dtype]}
    opened = open_model(out, precision="fp32")
    found = compute_logits(opened.reader.model, build_probe(opened.tokenizer))
    difference = largest_difference(logits, found)
    assert difference <= TOLERANCES[dtype]
    assert difference == pytest.approx(stored["largest_difference"], abs=1e-5)
    assert dtype == "fp32" or difference > 1e-5, "or nothing was rounded"


@pytest.mark.parametrize("to", FORMS)
def test_of_each_update_the_nearest_of_that_rank_is_written(
    to: str, source: Source, tiny_model_dir: Path, tmp_path: Path
) -> None:
    path, _ = source("lora")
    merge_run(path, tmp_path / "out", MergeOptions(to=to, rank=1))
    base = AutoModelForQuestionAnswering.from_pretrained(tiny_model_dir, dtype=torch.float32)
    merged = open_model(tmp_path / "out", precision="fp32")
    for matrix, layer in open_model(path, precision="fp32").layers.items():
        u, sizes, vt = torch.linalg.svd(layer.delta_weight().detach(), full_matrices=False)
        nearest = sizes[0] * torch.outer(u[:, 0], vt[0])
        if to == "dense":
            whole = merged.reader.model.get_parameter(f"{matrix}.weight")
            found = whole - base.get_parameter(f"{matrix}.weight")
        else:
            found = merged.layers[matrix].delta_weight()
        torch.testing.assert_close(found, nearest, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("rank", [None, 1])
@pytest.mark.parametrize("to", FORMS)
def test_a_card_goes_along_that_says_what_it_is_and_how_it_scored(
    to: str, rank: int | None, source: Source, tmp_path: Path
) -> None:
    merge_run(source("run")[0], tmp_path / "run", MergeOptions(to=to, rank=rank))
    card = (tmp_path / "run" / "README.md").read_text()
    assert f"library_name: {'transformers' if to == 'dense' else 'peft'}\n" in card
    for word in ("sample:almanac", "| f1 |", "Ranks kept: 8 over 12", "```yaml", "seed 1"):
        assert word in card
    assert ("model-index" in card) == (rank is None)
    assert ("cut to rank 1" in card) == (rank == 1)
    merge_run(source("lora")[0], tmp_path / "peft", MergeOptions(to=to))
    assert "written by qarank merge" in (tmp_path / "peft" / "README.md").read_text()


def tamper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is saved has another head on disk than in memory."""
    save = merge._save

    def save_otherwise(opened: Any, folder: Path, options: MergeOptions) -> None:
        save(opened, folder, options)
        tensors = load_file(weights_of(folder))
        (name,) = (name for name in tensors if name.endswith("qa_outputs.weight"))
        tensors[name] = 1.5 * tensors[name]
        save_file(tensors, weights_of(folder), metadata={"format": "pt"})

    monkeypatch.setattr(merge, "_save", save_otherwise)


@pytest.mark.parametrize(("to", "dtype"), list(product(FORMS, DTYPES)))
def test_a_folder_that_answers_otherwise_is_refused_and_what_was_there_stays(
    to: str, dtype: str, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = source("run")
    out = tmp_path / "there" / "out"
    options = MergeOptions(to=to, dtype=dtype, overwrite=True)
    merge_run(path, out, options)
    before = {each.name: each.read_bytes() for each in out.iterdir()}
    tamper(monkeypatch)
    with pytest.raises(
        CheckpointError, match=rf"off by 0\.\d+ .* {TOLERANCES[dtype]:g} is allowed"
    ):
        merge_run(path, out, options)
    with pytest.raises(CheckpointError, match="so nothing was written"):
        merge_run(path, tmp_path / "there" / "new", options)
    assert [each.name for each in out.parent.iterdir()] == ["out"]
    assert {each.name: each.read_bytes() for each in out.iterdir()} == before


def test_weights_that_half_precision_cannot_hold_are_refused_in_the_form_that_has_them(
    source: Source, tmp_path: Path
) -> None:
    path, _ = source("lora")
    tensors = load_file(weights_of(path))
    for name in tensors:
        if ".lora_" in name:  # the same products: AdaLoRA's form and the dense one know no other
            tensors[name] = tensors[name] * (1e7 if ".lora_A" in name else 1e-7)
    save_file(tensors, weights_of(path), metadata={"format": "pt"})
    for to in ("dense", "adalora"):
        merge_run(path, tmp_path / to, MergeOptions(to=to, dtype="fp16"))
    with pytest.raises(CheckpointError, match="off by nan of the largest"):
        merge_run(path, tmp_path / "out", MergeOptions(to="lora", dtype="fp16"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", FORMS)
def test_biases_trained_with_an_adapter_are_folded_in_or_the_form_is_refused(
    to: str, source: Source, tmp_path: Path
) -> None:
    path, _ = source("biases")
    if to == "dense":
        assert merge_run(path, tmp_path / "out")["largest_difference"] <= 1e-4
        return
    with pytest.raises(AdapterError, match=r"base_layer\.bias beside updates and head: --to dense"):
        merge_run(path, tmp_path / "out", MergeOptions(to=to))
    assert not (tmp_path / "out").exists()


def test_what_a_killed_merge_left_is_in_nobodys_way(source: Source, tmp_path: Path) -> None:
    left = tmp_path / ".out.part"
    left.mkdir()
    (left / "model.safetensors").write_text("half")
    merge_run(source("run")[0], tmp_path / "out")
    assert not left.exists()
    assert (tmp_path / "out" / "model.safetensors").stat().st_size > 4
