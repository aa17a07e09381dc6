"""Merging a trained, pruned adapter; what comes out is opened where there is no qarank."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from qarank.errors import AdapterError, CheckpointError, RunDirError
from qarank.workflows.logits import TOLERANCES, compute_logits, largest_difference
from qarank.workflows.merge import MergeOptions, build_probe, merge_run
from qarank.workflows.merge_place import MERGE_INFO
from qarank.workflows.saved_model import open_model

PLAIN_TRANSFORMERS = """
import json, sys
sys.modules["qarank"] = None  # importing it would fail
sys.modules["peft"] = None
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer
folder, question, context = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForQuestionAnswering.from_pretrained(folder, dtype=torch.float32).eval()
batch = tokenizer(question, context, return_tensors="pt")
with torch.inference_mode():
    output = model(**batch)
print(json.dumps({
    "inputs": sorted(batch),
    "logits": torch.stack([output.start_logits, output.end_logits]).tolist(),
}))
"""
QUESTION, CONTEXT = "Who wrote the report?", "The keeper of the lighthouse wrote the report."


def test_plain_transformers_gives_the_adapters_logits(pruned_run: Any, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    merge_run(pruned_run.last_checkpoint, out)
    command = [sys.executable, "-c", PLAIN_TRANSFORMERS, str(out), QUESTION, CONTEXT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found = json.loads(done.stdout)
    opened = open_model(pruned_run.last_checkpoint, precision="fp32")
    batch = dict(opened.tokenizer(QUESTION, CONTEXT, return_tensors="pt"))
    adapted = compute_logits(opened.reader.model, batch)
    assert "token_type_ids" in found["inputs"]
    assert largest_difference(adapted, torch.tensor(found["logits"])) <= 1e-4
    # What makes that worth something: the updates count, the head is trained, a matrix is at 0.
    for layer in opened.layers.values():
        layer.lora_B.data.zero_()
    without = compute_logits(opened.reader.model, batch)
    assert largest_difference(adapted, without) > 0.05
    assert 0 in pruned_run.run["result"]["ranks"].values()
    assert not opened.reader.model.get_parameter("qa_outputs.bias").equal(torch.zeros(2))


def test_a_merge_reports_what_it_did(pruned_run: Any, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "merged"
    report = merge_run(pruned_run.folder, out)
    ranks = pruned_run.run["result"]["ranks"].values()
    assert report["largest_difference"] <= 1e-4
    assert report["matrices"] == sum(rank > 0 for rank in ranks)
    assert report["out"] == str(out)
    assert json.loads((out / MERGE_INFO).read_text())["checkpoint"].endswith(
        pruned_run.run["result"]["best_checkpoint"]
    )
    assert [path.name for path in out.parent.iterdir()] == ["merged"]


def test_a_whole_model_is_merged_as_it_is(train_tiny: Callable[..., Any], tmp_path: Path) -> None:
    finished = train_tiny(adapter={"type": "none"}, allocator={"type": "none"})
    assert merge_run(finished.folder, tmp_path / "merged")["largest_difference"] == 0.0


def test_the_probe_is_a_pair(pruned_run: Any) -> None:
    batch = build_probe(open_model(pruned_run.folder).tokenizer)
    assert set(batch["token_type_ids"].flatten().tolist()) == {0, 1}


def test_somebody_elses_folder_is_never_replaced(pruned_run: Any, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(RunDirError, match="holds something else; choose another name"):
        merge_run(pruned_run.folder, tmp_path, MergeOptions(overwrite=True))
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_a_file_is_never_replaced(pruned_run: Any, tmp_path: Path) -> None:
    path = tmp_path / "merged"
    path.write_text("mine")
    with pytest.raises(RunDirError, match="holds something else"):
        merge_run(pruned_run.folder, path, MergeOptions(overwrite=True))


def test_a_merged_model_is_replaced_when_asked(pruned_run: Any, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    merge_run(pruned_run.folder, out)
    with pytest.raises(RunDirError, match="holds a merged model; --overwrite replaces it"):
        merge_run(pruned_run.folder, out)
    (out / "config.json").unlink()
    merge_run(pruned_run.folder, out, MergeOptions(overwrite=True))
    assert (out / "config.json").is_file()


def test_an_empty_folder_may_be_filled(pruned_run: Any, tmp_path: Path) -> None:
    out = tmp_path / "empty"
    out.mkdir()
    merge_run(pruned_run.folder, out)
    assert (out / "model.safetensors").is_file()


def test_the_current_folder_may_be_filled(
    pruned_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "here"
    out.mkdir()
    monkeypatch.chdir(out)
    merge_run(pruned_run.folder.absolute(), Path("."))
    assert (out / "model.safetensors").is_file()


def test_logits_that_differ_leave_nothing_behind(
    pruned_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qarank.workflows.merge.largest_difference", lambda *_: 0.01)
    with pytest.raises(CheckpointError, match=r"off by 0\.01 of the largest; at most 0\.0001"):
        merge_run(pruned_run.folder, tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", ["lora", "adalora"])
def test_peft_opens_an_adapter_that_was_merged_into_its_format(
    to: str, pruned_run: Any, tmp_path: Path
) -> None:
    report = merge_run(pruned_run.last_checkpoint, tmp_path / "out", MergeOptions(to=to))
    assert report["largest_difference"] <= 1e-4 and report["kept_energy"] == 1.0
    command = [sys.executable, "-c", PLAIN_PEFT, str(tmp_path / "out"), QUESTION, CONTEXT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    opened = open_model(pruned_run.last_checkpoint, precision="fp32")
    batch = dict(opened.tokenizer(QUESTION, CONTEXT, return_tensors="pt"))
    adapted = compute_logits(opened.reader.model, batch)
    assert largest_difference(adapted, torch.tensor(json.loads(done.stdout))) <= 1e-4


PLAIN_PEFT = """
import json, sys
sys.modules["qarank"] = None  # importing it would fail
import torch
from peft import PeftConfig, PeftModel
from transformers import AutoModelForQuestionAnswering, AutoTokenizer
folder, question, context = sys.argv[1:]
base = PeftConfig.from_pretrained(folder).base_model_name_or_path
model = AutoModelForQuestionAnswering.from_pretrained(base, dtype=torch.float32)
model = PeftModel.from_pretrained(model, folder).eval()
batch = AutoTokenizer.from_pretrained(folder)(question, context, return_tensors="pt")
with torch.inference_mode():
    output = model(**batch)
print(json.dumps(torch.stack([output.start_logits, output.end_logits]).tolist()))
"""


@pytest.mark.parametrize(("dtype", "torch_dtype"), [("bf16", torch.bfloat16), ("fp16", torch.half)])
@pytest.mark.parametrize(
    ("to", "file"), [("dense", "model.safetensors"), ("lora", "adapter_model.safetensors")]
)
def test_half_precision_is_written_and_what_it_costs_is_told(
    to: str, file: str, dtype: str, torch_dtype: torch.dtype, pruned_run: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    report = merge_run(pruned_run.last_checkpoint, out, MergeOptions(to=to, dtype=dtype))
    assert {tensor.dtype for tensor in load_file(out / file).values()} == {torch_dtype}
    assert 0 < report["largest_difference"] <= TOLERANCES[dtype]


def test_a_lower_rank_cuts_each_update_to_the_nearest(pruned_run: Any, tmp_path: Path) -> None:
    options = MergeOptions(to="lora", rank=1)
    report = merge_run(pruned_run.last_checkpoint, tmp_path / "one", options)
    assert report["ranks"] == report["matrices"]
    assert 0 < report["kept_energy"] < 1 and report["cut_difference"] > 1e-3
    largest = max(pruned_run.run["result"]["ranks"].values())
    assert largest > 1
    options = MergeOptions(rank=largest)
    whole = merge_run(pruned_run.last_checkpoint, tmp_path / "whole", options)
    assert whole["kept_energy"] == pytest.approx(1.0)
    assert whole["cut_difference"] < 1e-5


@pytest.mark.parametrize("to", ["dense", "lora", "adalora"])
def test_a_base_that_peft_cannot_find_by_name_is_told(
    to: str,
    pruned_run: Any,
    tiny_model_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    package = tmp_path / "base_for_merge"
    shutil.copytree(tiny_model_dir, package / "model")
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    with caplog.at_level("INFO", "qarank"):
        merge_run(pruned_run.folder, tmp_path / "plain", MergeOptions(to="lora"))
        assert "PEFT" not in caplog.text
        config = json.loads((tmp_path / "plain" / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = "package:base_for_merge/model"
        (tmp_path / "plain" / "adapter_config.json").write_text(json.dumps(config))
        merge_run(tmp_path / "plain", tmp_path / "out", MergeOptions(to=to))
    told = (
        f"{tmp_path / 'out'}: PEFT cannot find its base package:base_for_merge/model by name: "
        f"load {package / 'model'}, and pass the model to PeftModel.from_pretrained"
    )
    assert [record.message for record in caplog.records] == [told] * (to != "dense")


@pytest.mark.parametrize("options", [{"to": "lora"}, {"to": "adalora"}, {"rank": 2}])
def test_a_full_model_is_no_adapter(
    options: dict[str, Any], train_tiny: Callable[..., Any], tmp_path: Path
) -> None:
    finished = train_tiny(adapter={"type": "none"}, allocator={"type": "none"})
    with pytest.raises(AdapterError, match="holds a full model: without adapters it stays dense"):
        merge_run(finished.folder, tmp_path / "out", MergeOptions(**options))
    assert not (tmp_path / "out").exists()
