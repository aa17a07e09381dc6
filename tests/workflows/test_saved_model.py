import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from qarank.artifacts.checkpoint import read_state, write_manifest
from qarank.errors import AdapterError, CheckpointError, ModelError, RecipeError, RunDirError
from qarank.workflows.logits import compute_logits
from qarank.workflows.saved_model import find_run, open_model

WEIGHTS = "adapter_model.safetensors"
BATCH = {
    "input_ids": torch.tensor([[2, 7, 8, 3, 9, 10, 11, 3]]),
    "token_type_ids": torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]]),
    "attention_mask": torch.ones(1, 8, dtype=torch.int64),
}


def test_a_run_folder_means_its_best_checkpoint(pruned_run: Any) -> None:
    best = pruned_run.run["result"]["best_checkpoint"]
    found = find_run(pruned_run.folder)
    assert found.checkpoint == pruned_run.folder / "checkpoints" / best
    assert found.run_dir.path == pruned_run.folder
    assert found.recipe == pruned_run.recipe


def test_a_checkpoint_folder_means_itself(pruned_run: Any) -> None:
    assert find_run(pruned_run.last_checkpoint).checkpoint == pruned_run.last_checkpoint


@pytest.mark.parametrize("relative", ["absent", "checkpoints"])
def test_a_folder_that_is_no_run_is_refused(relative: str, pruned_run: Any) -> None:
    with pytest.raises(RunDirError, match=f"{relative} is not a run"):
        find_run(pruned_run.folder / relative)


def test_a_checkpoint_that_is_not_there_is_named(pruned_run: Any) -> None:
    with pytest.raises(CheckpointError, match="step_000099: there is no such checkpoint"):
        find_run(pruned_run.folder / "checkpoints" / "step_000099")


@pytest.mark.parametrize("name", [WEIGHTS, "rank_pattern.json", "state/tensors.safetensors"])
def test_a_tampered_checkpoint_is_refused_by_name(name: str, own_run: Any) -> None:
    path = own_run.last_checkpoint / name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match=f"step_000012 is damaged: {name} differs"):
        open_model(own_run.last_checkpoint)


def test_a_checkpoint_without_a_file_of_its_manifest_is_refused(own_run: Any) -> None:
    (own_run.last_checkpoint / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match=f"{WEIGHTS} is missing"):
        open_model(own_run.last_checkpoint)


def test_a_folder_that_holds_neither_adapter_nor_model_is_refused(own_run: Any) -> None:
    (own_run.last_checkpoint / "adapter_config.json").unlink()
    write_manifest(own_run.last_checkpoint)
    with pytest.raises(CheckpointError, match="neither an adapter nor a full model"):
        open_model(own_run.last_checkpoint)


def test_an_adapter_of_other_shapes_is_refused_in_one_line(own_run: Any) -> None:
    path = own_run.last_checkpoint / WEIGHTS
    tensors = load_file(path)
    key = next(key for key in tensors if key.endswith("lora_A.weight"))
    tensors[key] = tensors[key][:, :-1].contiguous()
    save_file(tensors, path)
    write_manifest(own_run.last_checkpoint)
    with pytest.raises(AdapterError) as caught:
        open_model(own_run.last_checkpoint)
    assert "\n" not in str(caught.value)


def test_what_was_trained_comes_back(pruned_run: Any) -> None:
    opened = open_model(pruned_run.last_checkpoint)
    tensors, _ = read_state(pruned_run.last_checkpoint)
    kept = {path for path, rank in pruned_run.run["result"]["ranks"].items() if rank}
    assert set(opened.layers) == kept
    head = opened.reader.model.get_parameter("qa_outputs.weight")
    assert torch.equal(head, tensors["model.qa_outputs.weight"])
    for path, layer in opened.layers.items():
        down, up, singular = (tensors[f"model.{path}.lora_{letter}"] for letter in "ABE")
        update = 64 / 4 * up @ (down * singular)
        assert torch.allclose(layer.delta_weight(), update, atol=1e-6)


def test_a_run_in_bf16_keeps_adapters_head_and_logits_in_float32(pruned_run: Any) -> None:
    reader = open_model(pruned_run.folder, precision="bf16").reader
    for name, parameter in reader.model.named_parameters():
        trained = "lora_" in name or name.startswith("qa_outputs")
        assert parameter.dtype == (torch.float32 if trained else torch.bfloat16), name
    with reader.autocast():
        assert reader.model(**BATCH).start_logits.dtype == torch.float32


def test_a_run_in_bf16_answers_much_as_in_fp32(pruned_run: Any) -> None:
    full, half = (
        compute_logits(open_model(pruned_run.folder, precision=precision).reader.model, BATCH)
        for precision in ("fp32", "bf16")
    )
    assert not torch.equal(full, half)
    assert (full - half).abs().max() < 0.1 * full.abs().max()


def test_fp16_without_a_gpu_is_refused(pruned_run: Any) -> None:
    if torch.cuda.is_available():
        assert open_model(pruned_run.folder, precision="fp16").layers
        return
    with pytest.raises(RecipeError, match="fp16, which needs a GPU"):
        open_model(pruned_run.folder, precision="fp16")


def test_an_adapter_is_not_put_on_other_weights_than_it_was_trained_on(
    own_run: Any, tiny_model_dir: Path, tmp_path: Path
) -> None:
    base = shutil.copytree(tiny_model_dir, tmp_path / "base")
    recipe = own_run.folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace(str(tiny_model_dir), str(base)))
    open_model(own_run.folder)  # the same files elsewhere
    tensors = load_file(base / "model.safetensors")
    save_file({name: value * 1.01 for name, value in tensors.items()}, base / "model.safetensors")
    with pytest.raises(ModelError, match="base has changed since .* was trained on it"):
        open_model(own_run.folder)


@pytest.mark.parametrize("full", [True, False])
def test_a_whole_model_is_opened_without_its_base(
    full: bool, train_tiny: Callable[..., Any], tiny_model_dir: Path
) -> None:
    finished = train_tiny(adapter={"type": "none", "full": full}, allocator={"type": "none"})
    opened = open_model(finished.folder)
    assert opened.layers == {}
    trained, _ = read_state(finished.last_checkpoint)
    for name, parameter in opened.reader.model.named_parameters():
        if f"model.{name}" in trained:
            assert torch.equal(parameter, trained[f"model.{name}"]), name
    assert ("model.bert.embeddings.LayerNorm.weight" in trained) == full
