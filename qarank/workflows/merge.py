"""qarank merge: a run -> a dense model that needs neither qarank nor PEFT."""

import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForQuestionAnswering, PreTrainedTokenizerBase

from qarank.adapters.merge import merge_adapters
from qarank.artifacts.atomic import write_json, writing
from qarank.artifacts.folders import replace_folder
from qarank.errors import CheckpointError, RunDirError
from qarank.workflows.logits import compute_logits, largest_difference
from qarank.workflows.model import quiet_transformers
from qarank.workflows.saved_model import open_run

TOLERANCE = 1e-4  # of the largest logit, in float32
PROBE_TEXT = ("Who wrote the report?", "The report was written by the keeper of the lighthouse.")
MERGE_INFO = "qarank_merge.json"


def merge_run(path: Path, out: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Fold a run's adapters into its base and save a plain transformers model.

    Everything is computed in float32. The saved folder is opened again, and its logits are compared
    with the adapter's before the folder gets its name.

    Args:
        path: a run folder (its best checkpoint counts) or a checkpoint folder.
        out: the folder to make.
        overwrite: replace a merged model of ours that is there.

    Raises:
        RunDirError: out is there already.
        RunError: out cannot be written; what was there stays.
        CheckpointError: the merged model's logits differ by more than 1e-4 of the largest.
    """
    _check_free(out, overwrite=overwrite)
    opened = open_run(path, precision="fp32")
    model = opened.reader.model.cpu()
    batch = build_probe(opened.tokenizer)
    before = compute_logits(model, batch)
    merge_adapters(model, opened.layers)
    folder = out.resolve()  # `.` has no name of its own
    beside = folder.with_name(f".{folder.name}.part")
    try:
        with writing(out):
            difference = _save_and_compare(model, opened.tokenizer, beside, batch, before)
            info = {
                "checkpoint": str(opened.saved.checkpoint),
                "matrices": len(opened.layers),
                "largest_logit": float(before.abs().max()),
                "largest_difference": difference,
            }
            write_json(beside / MERGE_INFO, info)
            replace_folder(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return {**info, "out": str(out)}


def build_probe(tokenizer: PreTrainedTokenizerBase) -> dict[str, Tensor]:
    """A question with its context, (1, seq): the text two models are compared on."""
    return dict(tokenizer(*PROBE_TEXT, return_tensors="pt"))


def _save_and_compare(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    batch: dict[str, Tensor],
    before: Tensor,
) -> float:
    with quiet_transformers():
        model.save_pretrained(folder)  # type: ignore[operator]  # a PreTrainedModel
        tokenizer.save_pretrained(folder)
        saved = AutoModelForQuestionAnswering.from_pretrained(folder, dtype=torch.float32)
    difference = largest_difference(before, compute_logits(saved, batch))
    if not difference <= TOLERANCE:  # so that NaN is refused too
        raise CheckpointError(
            f"the merged model's logits are off by {difference:.2g} of the largest; at most "
            f"{TOLERANCE:g} is allowed, so nothing was written"
        )
    return difference


def _check_free(out: Path, *, overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MERGE_INFO).is_file():
        raise RunDirError(f"{out} holds something else; choose another name")
    if not overwrite:
        raise RunDirError(f"{out} holds a merged model; --overwrite replaces it")
