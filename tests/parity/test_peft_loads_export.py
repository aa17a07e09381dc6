"""Checkpoints of a run, opened by stock PEFT and by transformers in a process without qarank.

What they are compared with is the model in training: its weights from the checkpoint's state, its
mask, in eval mode. The export takes no part in it.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoTokenizer

from qarank.adapters.layer import AdaptedLinear
from qarank.artifacts.checkpoint import read_state
from qarank.config.schema import Recipe
from qarank.workflows.build import Setting, build_model
from qarank.workflows.logits import compute_logits, largest_difference
from qarank.workflows.prepare import Prepared, prepare_run
from qarank.workflows.train import TrainOptions, run_path, train_recipe

KINDS = ("svd", "frd")
STEPS = (5, 10, 12)  # weights regrown since the round after 4; in the final phase; the end
MID_SCHEDULE = 5
WAYS = ("peft", "load_adapter", "peft, merged")
TOLERANCE = 1e-5  # of the largest logit
RECIPE = {
    "allocator": {"type": "adalora", "target_total": 6, "tinit": 2, "tfinal": 4, "delta_t": 2},
    "train": {
        "max_steps": 12,
        "batch_size": 8,
        "learning_rate": 0.05,
        "precision": "fp32",
        "save_every": 5,
        "keep_checkpoints": 9,
    },
}
PAIRS = (
    ("Who wrote the report?", "The keeper of the lighthouse wrote the report."),
    ("When was it built?", "The Orrin Bridge was built in 1874, of stone from the old town."),
)
WITHOUT_QARANK = """
import json, sys, warnings
sys.modules["qarank"] = None  # importing it fails from here on
try:
    import qarank
except ImportError:
    pass
else:
    sys.exit("qarank is there")
import torch
from peft import PeftConfig, PeftModel
from transformers import AutoModelForQuestionAnswering

warnings.simplefilter("ignore")

batch = {name: torch.tensor(rows) for name, rows in json.load(open(sys.argv[1])).items()}

def load_base(folder):
    name = PeftConfig.from_pretrained(folder).base_model_name_or_path
    return AutoModelForQuestionAnswering.from_pretrained(name, dtype=torch.float32)

@torch.no_grad()
def read(model, *left_out):
    given = {name: tensor for name, tensor in batch.items() if name not in left_out}
    output = model.eval()(**given)
    return torch.stack([output.start_logits, output.end_logits]).tolist()

def list_ranks(model):
    return {
        name.removeprefix("base_model.model."): module.r["default"]
        for name, module in model.named_modules()
        if hasattr(module, "lora_A") and len(module.lora_A)
    }

found = {}
for folder in sys.argv[2:]:
    opened = PeftModel.from_pretrained(load_base(folder), folder)
    told = found[folder] = {"ranks": list_ranks(opened), "peft": read(opened)}
    told["peft, no token types"] = read(opened, "token_type_ids")
    told["peft, merged"] = read(opened.merge_and_unload())
    base = load_base(folder)
    told["base"] = read(base)
    base.load_adapter(folder)
    told["load_adapter"] = read(base)
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Opened:
    """A checkpoint: the model that was trained, and what the others read of it.

    Attributes:
        folder: the checkpoint's.
        layers: path -> adapter of the model in training.
        trained: its logits, (2, batch, seq), zero at padding.
        head: its head's weight.
        ranks: path -> rank, as PEFT has them.
        logits: by way, as `trained`.
    """

    folder: Path
    layers: dict[str, AdaptedLinear]
    trained: Tensor
    head: Tensor
    ranks: dict[str, int]
    logits: dict[str, Tensor]


@torch.no_grad()
def rebuild(prepared: Prepared, checkpoint: Path) -> tuple[Any, dict[str, AdaptedLinear]]:
    """The model in training as it was after the checkpoint's step, masks in force."""
    model, layers = build_model(prepared, Setting(torch.device("cpu"), "fp32"))
    tensors, _ = read_state(checkpoint)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.copy_(tensors[f"model.{name}"])
    pattern = json.loads((checkpoint / "rank_pattern.json").read_text())
    for path, layer in layers.items():
        layer.rank_mask.copy_(torch.tensor(pattern["matrices"][path]["kept"]))
    return model, layers


_shared: dict[tuple[str, int], Opened] = {}


@pytest.fixture
def opened(tiny_recipe: Callable[..., Recipe], tiny_model_dir: Path, tmp_path: Path) -> Any:
    """Kind and step -> what was found. Trained and opened once."""
    if not _shared:
        tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
        batch = dict(
            tokenizer(*map(list, zip(*PAIRS, strict=True)), padding=True, return_tensors="pt")
        )
        (tmp_path / "batch.json").write_text(
            json.dumps({name: tensor.tolist() for name, tensor in batch.items()})
        )
        recipes = {
            kind: tiny_recipe(name=kind, adapter={"type": kind, "r": 4, "alpha": 64}, **RECIPE)
            for kind in KINDS
        }
        for recipe in recipes.values():
            train_recipe(recipe, TrainOptions(show_progress=False))
        folders = {
            (kind, step): run_path(recipe) / "checkpoints" / f"step_{step:06}"
            for kind, recipe in recipes.items()
            for step in STEPS
        }
        command = [sys.executable, "-c", WITHOUT_QARANK, tmp_path / "batch.json", *folders.values()]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
        told = json.loads(done.stdout)
        for (kind, step), folder in folders.items():
            model, layers = rebuild(prepare_run(recipes[kind]), folder)
            of_folder = told[str(folder)]
            ranks = of_folder.pop("ranks")
            _shared[kind, step] = Opened(
                folder,
                layers,
                compute_logits(model, batch),
                model.get_parameter("qa_outputs.weight").detach(),
                ranks,
                {w: torch.tensor(v) * batch["attention_mask"] for w, v in of_folder.items()},
            )
    return lambda kind, step: _shared[kind, step]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", KINDS)
def test_others_answer_as_the_model_in_training(
    kind: str, step: int, way: str, opened: Callable[[str, int], Opened]
) -> None:
    found = opened(kind, step)
    difference = largest_difference(found.trained, found.logits[way])
    print(f"{kind}, step {step}, {way}: off by {difference:.2g} of the largest logit")
    assert difference <= TOLERANCE


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", KINDS)
def test_pefts_matrices_have_the_ranks_kept_and_one_of_rank_0_is_none_of_them(
    kind: str, step: int, opened: Callable[[str, int], Opened]
) -> None:
    found = opened(kind, step)
    ranks = {path: layer.rank for path, layer in found.layers.items()}
    assert found.ranks == {path: rank for path, rank in ranks.items() if rank}
    assert 0 in ranks.values() and len(set(ranks.values())) > 2


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", KINDS)
def test_updates_head_and_token_types_each_make_a_difference(
    kind: str, step: int, opened: Callable[[str, int], Opened]
) -> None:
    """Otherwise equal logits would say little."""
    found = opened(kind, step)
    assert largest_difference(found.trained, found.logits["base"]) > 0.1
    assert largest_difference(found.trained, found.logits["peft, no token types"]) > 1e-3
    first = opened(kind, STEPS[0] if step != STEPS[0] else STEPS[-1])
    assert (found.head - first.head).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_mid_schedule_what_is_masked_had_regrown_and_is_in_nobodys_logits(
    kind: str, opened: Callable[[str, int], Opened]
) -> None:
    found = opened(kind, MID_SCHEDULE)
    regrown = 0
    for layer in found.layers.values():
        gates = layer.lora_B.abs().sum(dim=0) if layer.lora_E is None else layer.lora_E.flatten()
        regrown += int(gates[~layer.rank_mask].count_nonzero())
    assert regrown > 10
    assert sum(found.ranks.values()) > sum(opened(kind, STEPS[-1]).ranks.values()) == 6


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_are_pefts_own_two(kind: str, opened: Callable[[str, int], Opened]) -> None:
    folder = opened(kind, MID_SCHEDULE).folder
    assert json.loads((folder / "adapter_config.json").read_text())["peft_type"] == "LORA"
    with safe_open(folder / "adapter_model.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert all(name.startswith("base_model.model.") for name in file.keys())  # noqa: SIM118
