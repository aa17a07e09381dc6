"""qarank merge: any adapter -> a folder that needs no qarank: dense weights, LoRA or AdaLoRA."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from qarank.adapters.layer import PlainLoRA
from qarank.adapters.merge import merge_adapters
from qarank.adapters.peft_adalora import export_adalora
from qarank.adapters.peft_format import AdapterFolder, export_updates
from qarank.adapters.peft_updates import read_head
from qarank.adapters.truncate import truncate_update
from qarank.artifacts.atomic import write_json, write_text, writing
from qarank.artifacts.checkpoint import read_adapter, write_adapter
from qarank.artifacts.folders import replace_folder
from qarank.artifacts.names import MODEL_CARD, RANK_PATTERN
from qarank.config.schema import ModelConfig
from qarank.engine.precision import DTYPES
from qarank.errors import AdapterError, CheckpointError
from qarank.workflows.foreign_model import open_folder
from qarank.workflows.kept_ranks import describe_kept, is_complete, report_kept
from qarank.workflows.logits import TOLERANCES, compute_logits, largest_difference
from qarank.workflows.merge_place import MERGE_INFO, check_apart, check_free
from qarank.workflows.model import HEAD, quiet_transformers
from qarank.workflows.model_card import card_in_form, minimal_card
from qarank.workflows.model_source import PACKAGE_SCHEME, find_model
from qarank.workflows.saved_model import OpenedModel, open_model

LOG = logging.getLogger("qarank")
PROBE_TEXT = ("Who wrote the report?", "The report was written by the keeper of the lighthouse.")


@dataclass(frozen=True)
class MergeOptions:
    """What to make of an adapter.

    Attributes:
        to: "dense" weights, or a PEFT folder of "lora" or "adalora".
        dtype: the folder's precision, a key of DTYPES.
        rank: of each update at most, the nearest of that rank; None: as it is.
        overwrite: replace what an earlier merge left there.
    """

    to: str = "dense"
    dtype: str = "fp32"
    rank: int | None = None
    overwrite: bool = False


PLAIN = MergeOptions()


def merge_run(path: Path, out: Path, options: MergeOptions = PLAIN) -> dict[str, Any]:
    """Write a model in another form.

    Everything is computed in float32. The saved folder is opened again, and its logits are compared
    with the adapter's before the folder gets its name; what a lower rank or precision costs is
    reported with it.

    Args:
        path: a run (its best checkpoint counts), a checkpoint, a PEFT adapter, or a full model.
        out: the folder to make.
        options: form, precision and rank.

    Returns:
        What `qarank merge --json` prints; `kept_energy` is the least share of a matrix's
        ||Delta W||_F^2 that a lower rank keeps.

    Raises:
        RunDirError: out is there already, or is, holds or lies in what is read.
        RunError: out cannot be written; what was there stays.
        AdapterError: there is no adapter to write as one, or to cut, or it holds more than updates
            and a head.
        CheckpointError: the saved logits differ by more than the precision explains.
    """
    opened = _open_source(path, out, options)
    model = opened.reader.model.cpu()
    batch = build_probe(opened.tokenizer)
    whole = compute_logits(model, batch)
    kept_energy = 1.0 if options.rank is None else cut_ranks(opened, options.rank)
    before = compute_logits(model, batch)
    with _filling(out) as beside:
        _save(opened, beside, options)
        info = {
            "checkpoint": str(opened.folder),
            "to": options.to,
            "dtype": options.dtype,
            "matrices": len(opened.layers),
            "ranks": sum(layer.rank for layer in opened.layers.values()),
            "kept_energy": kept_energy,
            "largest_logit": float(whole.abs().max()),
            "cut_difference": largest_difference(whole, before),
            "largest_difference": _compare(beside, before, TOLERANCES[options.dtype]),
        }
        write_json(beside / MERGE_INFO, info)
    if options.to != "dense":
        _tell_base(out, opened)
    return {**info, "out": str(out)}


def _open_source(path: Path, out: Path, options: MergeOptions) -> OpenedModel:
    """What is asked for can be made of it, and out be written without changing it."""
    check_apart(out, path)
    check_free(out, overwrite=options.overwrite)
    opened = open_model(path, precision="fp32")
    base = Path(opened.base).expanduser()
    if base.is_dir():  # not on the hub
        check_apart(out, base)
    if options.to != "dense" or options.rank is not None:
        _require_updates(opened, path)
    if options.to != "dense":
        _require_nothing_else(opened)
    return opened


@contextmanager
def _filling(out: Path) -> Iterator[Path]:
    """A folder beside out, which takes its name once all is written; after an error it is gone."""
    folder = out.resolve()  # `.` has no name of its own
    beside = folder.with_name(f".{folder.name}.part")
    try:
        with writing(out):
            shutil.rmtree(beside, ignore_errors=True)  # of a merge that was killed
            beside.mkdir(parents=True)
            yield beside
            replace_folder(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _tell_base(out: Path, opened: OpenedModel) -> None:
    """PEFT takes the base of an adapter from a folder or the hub; package: is ours alone."""
    if opened.base.startswith(PACKAGE_SCHEME):
        folder = find_model(ModelConfig(name_or_path=opened.base)).location
        LOG.info(
            "%s: PEFT cannot find its base %s by name: load %s, and pass the model to"
            " PeftModel.from_pretrained",
            out,
            opened.base,
            folder,
        )


def build_probe(tokenizer: PreTrainedTokenizerBase) -> dict[str, Tensor]:
    """A question with its context, (1, seq): the text two models are compared on."""
    return dict(tokenizer(*PROBE_TEXT, return_tensors="pt"))


@torch.no_grad()
def cut_ranks(opened: OpenedModel, rank: int) -> float:
    """Replace each update by the nearest of that rank, in place.

    Returns:
        The least share of a matrix's ||Delta W||_F^2 that is kept, 0..1.
    """
    shares = []
    for layer in opened.layers.values():
        update, share = truncate_update(layer.to_plain_lora(), rank)
        shares.append(share)
        layer.set_update(update)
    return min(shares)


def _require_updates(opened: OpenedModel, path: Path) -> None:
    """Only an update can be written as one, or be cut."""
    if not opened.is_adapter:
        raise AdapterError(f"{path} holds a full model: without adapters it stays dense as it is")
    if not opened.layers:
        raise AdapterError(
            f"{path} holds an adapter that is empty: every matrix is at rank 0, so there is no"
            " update to write or to cut; --to dense takes its head along"
        )


def _require_nothing_else(opened: OpenedModel) -> None:
    """PEFT trains biases, norms or embeddings with an adapter where asked; ours has no place."""
    _, tensors = read_adapter(opened.folder)
    others = [name for name in read_head(tensors) if not name.startswith(f"{HEAD}.")]
    if others:
        raise AdapterError(
            f"{opened.folder} holds {others[0]} beside updates and head: --to dense takes it along,"
            " an adapter cannot"
        )


def _save(opened: OpenedModel, folder: Path, options: MergeOptions) -> None:
    model, dtype = opened.reader.model, DTYPES[options.dtype]
    if options.to == "dense":
        merge_adapters(model, opened.layers)
        with quiet_transformers():
            model.to(dtype).save_pretrained(folder)  # type: ignore[operator]  # a PreTrainedModel
    else:
        adapter = _export(opened, options)
        tensors = {name: tensor.to(dtype) for name, tensor in adapter.tensors.items()}
        write_adapter(folder, adapter.config, tensors)
        _write_ranks(opened, folder, adapter)
    opened.tokenizer.save_pretrained(folder)
    opened.manner.write(folder)
    own_card = opened.folder / MODEL_CARD
    is_adapter = options.to != "dense"
    write_text(
        folder / MODEL_CARD,
        card_in_form(
            own_card.read_text(encoding="utf-8"), is_adapter=is_adapter, cut_to=options.rank
        )
        if opened.run is not None and own_card.is_file()
        else minimal_card(opened.base, is_adapter=is_adapter),
    )


def _write_ranks(opened: OpenedModel, folder: Path, adapter: AdapterFolder) -> None:
    """rank_pattern.json goes along where all ranks are known: a matrix of rank 0 has no tensors."""
    report = report_kept(opened)
    if is_complete(opened, report):
        kind, alpha = adapter.config["peft_type"], adapter.config["lora_alpha"]
        pattern = describe_kept(opened, report, kind=kind, alpha=alpha)
        write_json(folder / RANK_PATTERN, pattern)


def _export(opened: OpenedModel, options: MergeOptions) -> AdapterFolder:
    model: nn.Module = opened.reader.model
    head = {name: p for name, p in model.named_parameters() if name.startswith(f"{HEAD}.")}
    updates: dict[str, PlainLoRA] = {
        path: layer.to_plain_lora() for path, layer in opened.layers.items() if layer.rank
    }
    export = export_updates if options.to == "lora" else export_adalora
    return export(
        updates, head, head_modules=[HEAD], base_model=opened.base, revision=opened.revision
    )


def _compare(folder: Path, before: Tensor, tolerance: float) -> float:
    """With what the folder itself brings, its tokenizer too."""
    saved = open_folder(folder)
    batch = build_probe(saved.tokenizer)
    difference = largest_difference(before, compute_logits(saved.model.eval(), batch))
    if not difference <= tolerance:  # so that NaN is refused too
        raise CheckpointError(
            f"the merged model's logits are off by {difference:.2g} of the largest; at most "
            f"{tolerance:g} is allowed, so nothing was written"
        )
    return difference
