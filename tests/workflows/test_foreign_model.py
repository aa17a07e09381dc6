"""Folders that no run stands behind: merged models, PEFT's adapters, checkpoints copied."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, BertModel

from qarank.artifacts.names import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from qarank.errors import AdapterError, CheckpointError, HubError, ModelError, RunDirError
from qarank.squad.examples import Example
from qarank.workflows.evaluate import evaluate_run
from qarank.workflows.foreign_model import open_folder
from qarank.workflows.logits import compute_logits
from qarank.workflows.manner import Manner
from qarank.workflows.merge import MergeOptions, build_probe, merge_run
from qarank.workflows.predict import predict_answers
from qarank.workflows.saved_model import open_model

ASKED = [
    Example("a", "", "The Orrin Bridge was built in 1874.", "When was the bridge built?"),
    Example("b", "", "The mason Mara Quill drew its plans. " * 12, "Who drew the plans?"),
]
RENAMED = "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"


def test_a_checkpoint_copied_elsewhere_answers_as_the_run_does(
    pruned_run: Any, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(pruned_run.last_checkpoint, copy)
    assert open_model(copy).run is None
    of_run = predict_answers(pruned_run.last_checkpoint, ASKED, precision="fp32")
    assert predict_answers(copy, ASKED) == of_run


@pytest.mark.parametrize("to", ["dense", "lora", "adalora"])
def test_what_merge_wrote_answers_as_the_run_does(to: str, pruned_run: Any, tmp_path: Path) -> None:
    merge_run(pruned_run.last_checkpoint, tmp_path / "out", MergeOptions(to=to))
    of_run = predict_answers(pruned_run.last_checkpoint, ASKED, precision="fp32")
    for mine, theirs in zip(predict_answers(tmp_path / "out", ASKED), of_run, strict=True):
        assert mine["null_odds"] == pytest.approx(theirs["null_odds"], abs=1e-3)
        assert (mine["answer"] == "") == (mine["null_odds"] > 20.0)  # the recipe's threshold


def test_a_model_that_is_no_run_is_scored_on_a_file_and_writes_where_told(
    pruned_run: Any, tmp_path: Path
) -> None:
    merged, data = tmp_path / "merged", tmp_path / "mine.json"
    merge_run(pruned_run.folder, merged)
    rows = [
        {"id": "a", "question": "Who?", "context": "Ann ran.", "answers": ["Ann"]},
        {"id": "b", "question": "Who?", "context": "It rained.", "answers": []},
    ]
    data.write_text(json.dumps(rows))
    asked = {"data": data, "precision": None, "show_progress": False}
    before = sorted(path.name for path in merged.iterdir())
    report = evaluate_run(merged, **asked)
    assert report["metrics"]["total"] == 2 and report["files"] is None
    assert sorted(path.name for path in merged.iterdir()) == before
    out = tmp_path / "answers"
    assert evaluate_run(merged, output=out, **asked)["files"] == str(out)
    assert json.loads((out / "metrics.json").read_text())["total"] == 2
    with pytest.raises(RunDirError, match="answers holds an evaluation; --overwrite replaces it"):
        evaluate_run(merged, output=out, **asked)
    evaluate_run(merged, output=out, overwrite=True, **asked)
    (out / "letter.txt").write_text("mine")
    with pytest.raises(RunDirError, match=r"holds something else \(letter.txt\)"):
        evaluate_run(merged, output=out, overwrite=True, **asked)


@pytest.fixture
def adapter(tiny_model_dir: Path, tmp_path: Path) -> Callable[..., Path]:
    """A LoRA adapter made and saved by PEFT, trained a little; its head with it."""

    def make(**options: Any) -> Path:
        torch.manual_seed(3)
        base = AutoModelForQuestionAnswering.from_pretrained(tiny_model_dir, dtype=torch.float32)
        settings = {"modules_to_save": ["qa_outputs"], "target_modules": ["query", "dense"]}
        model = peft.get_peft_model(base, peft.LoraConfig(r=3, **(settings | options)))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.2 * torch.randn_like(parameter))
        folder = tmp_path / "adapter"
        model.save_pretrained(folder)
        model.eval()
        batch = build_probe(AutoTokenizer.from_pretrained(tiny_model_dir))
        torch.save(compute_logits(model, batch), tmp_path / "logits.pt")
        return folder

    return make


@pytest.mark.filterwarnings(RENAMED)
def test_pefts_adapter_is_opened_at_its_logits(
    adapter: Callable[..., Path], tiny_model_dir: Path, tmp_path: Path
) -> None:
    folder = adapter()
    opened = open_model(folder)
    logits = compute_logits(opened.reader.model, build_probe(opened.tokenizer))
    torch.testing.assert_close(logits, torch.load(tmp_path / "logits.pt"), atol=1e-5, rtol=1e-5)
    assert opened.base == str(tiny_model_dir)
    assert predict_answers(folder, ASKED)[0]["id"] == "a"


@pytest.mark.filterwarnings(RENAMED)
def test_pefts_question_answering_wrapper_is_fed_no_token_types(
    adapter: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = adapter(task_type="QUESTION_ANS")
    with caplog.at_level("INFO", "qarank"):
        opened = open_model(folder)
    assert "PEFT passes no token types: nor do we" in caplog.text
    batch = build_probe(opened.tokenizer)
    assert "token_type_ids" not in batch
    logits = compute_logits(opened.reader.model, batch)
    torch.testing.assert_close(logits, torch.load(tmp_path / "logits.pt"), atol=1e-5, rtol=1e-5)


@pytest.mark.filterwarnings(RENAMED)
def test_an_adapter_without_a_head_takes_its_bases(
    adapter: Callable[..., Path], tmp_path: Path, tiny_model_dir: Path
) -> None:
    folder = adapter(modules_to_save=None)
    opened = open_model(folder)
    logits = compute_logits(opened.reader.model, build_probe(opened.tokenizer))
    torch.testing.assert_close(logits, torch.load(tmp_path / "logits.pt"), atol=1e-5, rtol=1e-5)
    encoder = tmp_path / "encoder"
    BertModel.from_pretrained(tiny_model_dir).save_pretrained(encoder)
    config = json.loads((folder / ADAPTER_CONFIG).read_text())
    config["base_model_name_or_path"] = str(encoder)
    (folder / ADAPTER_CONFIG).write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"of its base: .* was not trained to answer questions"):
        open_model(folder)


@pytest.mark.filterwarnings(RENAMED)
@pytest.mark.parametrize("options", [{}, {"target_modules": "all-linear"}])
def test_an_adapter_without_a_head_answers_in_half_precision_too(
    options: dict[str, Any], adapter: Callable[..., Path], tmp_path: Path
) -> None:
    opened = open_model(adapter(modules_to_save=None, **options), precision="bf16")
    logits = compute_logits(opened.reader.model, build_probe(opened.tokenizer))
    expected = torch.load(tmp_path / "logits.pt")
    assert 0 < (logits - expected).abs().max() < 0.05 * expected.abs().max()
    assert opened.reader.model.get_parameter("qa_outputs.weight").dtype == torch.float32


def test_an_encoder_without_a_trained_head_is_refused(tiny_model_dir: Path, tmp_path: Path) -> None:
    BertModel.from_pretrained(tiny_model_dir).save_pretrained(tmp_path)
    with pytest.raises(
        ModelError, match=r"has no tokenizer: one of tokenizer\.json, .* must stand"
    ):
        open_folder(tmp_path)
    AutoTokenizer.from_pretrained(tiny_model_dir).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"has no qa_outputs\.bias: it was not trained"):
        open_folder(tmp_path)


@pytest.mark.parametrize(
    ("config", "error", "line"),
    [
        ({"base_model_name_or_path": None}, AdapterError, "names no base_model_name_or_path"),
        ({"base_model_name_or_path": "./gone"}, ModelError, "of its base: .* no folder ./gone"),
        ({"peft_type": "IA3"}, AdapterError, "peft_type is 'IA3'; LORA and ADALORA are read"),
    ],
)
def test_an_adapter_that_cannot_be_opened_says_why(
    config: dict[str, Any],
    error: type[Exception],
    line: str,
    pruned_run: Any,
    tmp_path: Path,
) -> None:
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        shutil.copy(pruned_run.last_checkpoint / name, tmp_path)
    path = tmp_path / ADAPTER_CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    with pytest.raises(error, match=f"^{tmp_path}: .*{line}"):
        open_folder(tmp_path)


def test_a_base_out_of_reach_is_told_with_the_adapters_folder(
    pruned_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qarank.workflows.model_source.is_hub_reachable", lambda: False)
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        shutil.copy(pruned_run.last_checkpoint / name, tmp_path)
    path = tmp_path / ADAPTER_CONFIG
    changed = {"base_model_name_or_path": "nobody/no-such-model"}
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(HubError, match=f"^{tmp_path}: of its base: .*nobody/no-such-model"):
        open_folder(tmp_path)


def test_a_damaged_copy_of_a_checkpoint_is_refused(pruned_run: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(pruned_run.last_checkpoint, copy)
    (copy / "answering.json").write_text("{}")
    with pytest.raises(CheckpointError, match="answering.json differs from its manifest"):
        open_model(copy)


@pytest.mark.parametrize("name", ["gone", "empty"])
def test_a_folder_that_holds_nothing_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunDirError, match=f"{name} is not a run, an adapter or a model"):
        open_model(tmp_path / name)


@pytest.mark.filterwarnings(RENAMED)
@pytest.mark.parametrize("to", ["dense", "lora", "adalora"])
def test_what_is_merged_of_pefts_wrapper_is_fed_no_token_types_either(
    to: str, adapter: Callable[..., Path], tmp_path: Path
) -> None:
    folder = adapter(task_type="QUESTION_ANS")
    merge_run(folder, tmp_path / "out", MergeOptions(to=to))
    opened = open_model(tmp_path / "out")
    batch = build_probe(opened.tokenizer)
    assert "token_type_ids" not in batch
    logits = compute_logits(opened.reader.model, batch)
    torch.testing.assert_close(logits, torch.load(tmp_path / "logits.pt"), atol=1e-4, rtol=1e-4)


def test_windows_are_no_longer_than_the_model_has_positions(
    pruned_run: Any, tmp_path: Path
) -> None:
    merged = tmp_path / "merged"
    merge_run(pruned_run.folder, merged)
    (merged / "answering.json").unlink()
    opened = open_model(merged)  # of 256 positions
    assert (opened.manner.max_seq_length, opened.manner.doc_stride) == (256, 85)
    long = [Example("a", "", "The mason of the town. " * 200, "Who?")]
    assert len(predict_answers(merged, long)) == 1
    Manner(max_seq_length=300).write(merged)
    with pytest.raises(CheckpointError, match="max_seq_length is 300; the model has 256 positions"):
        open_model(merged)
