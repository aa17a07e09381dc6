"""The model card of a checkpoint: what it is, how it scores, what rank it kept."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from qarank.config.load import dump_recipe
from qarank.config.schema import Recipe
from qarank.squad.source_names import is_file_name
from qarank.workflows.manner import Manner

SHOWN_METRICS = ("exact", "exact_match", "f1", "HasAns_exact", "HasAns_f1", "NoAns_exact")
SCORES = ("exact", "exact_match", "f1")
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
CUT = (
    "Each update was cut to rank {rank} at most after training: figures and ranks are from before."
)
ALLOCATED = {  # allocator.type -> what it did
    "adalora": ", pruned by AdaLoRA's allocator",
    "norm": ", pruned by the norms of triplets",
    "random": ", pruned at random",
    "file": ", at the ranks of another run",
    "none": "",
}


def render_model_card(
    recipe: Recipe, *, ranks: Mapping[str, int], facts: Mapping[str, Any], manner: Manner
) -> str:
    """Markdown with the hub's front matter.

    Args:
        recipe: of the run.
        ranks: path -> triplets kept; empty for a full model.
        facts: of the checkpoint; `global_step` and `metrics` are shown.
        manner: how the model answers; a tuned threshold is shown.
    """
    base, metrics = recipe.model.name_or_path, facts.get("metrics") or {}
    lines = [
        "---",
        yaml.safe_dump(_front_matter(recipe, ranks, metrics), sort_keys=False).strip(),
        "---",
        f"# {recipe.name}",
        "",
        f"Extractive question answering: `{base}`, {_describe_method(recipe)},",
        f"after {facts['global_step']} optimizer steps on {_name_data(recipe)}.",
        f"Trained with qarank, seed {recipe.seed}.",
        "",
    ]
    lines += _table("figure", metrics)
    if manner.null_threshold is not None and recipe.data.threshold_share:
        lines += [
            f"Null threshold: {manner.null_threshold:.4f}, tuned on training articles held out: "
            'above it, null score less the best span\'s, the answer is "no answer".',
            "",
        ]
    if ranks:
        lines += [f"Ranks kept: {sum(ranks.values())} over {len(ranks)} matrices.", ""]
        lines += ["| matrix | rank |", "|---|---|"]
        lines += [*(f"| `{path}` | {rank} |" for path, rank in ranks.items()), ""]
    lines += ["## Recipe", "", "```yaml", _render_recipe(recipe).strip(), "```"]
    return "\n".join(lines) + "\n"


def card_in_form(card: str, *, is_adapter: bool, cut_to: int | None = None) -> str:
    """The same card for a folder of another form.

    Args:
        card: of the checkpoint.
        is_adapter: else it is a whole model.
        cut_to: rank that each update was cut to after training; figures are then another model's.
    """
    _, front, text = card.split("---\n", 2)
    fields = yaml.safe_load(front)
    fields["library_name"] = "peft" if is_adapter else "transformers"
    fields["tags"] = [tag for tag in fields["tags"] if tag != "lora" or is_adapter]
    if cut_to is not None:
        fields.pop("model-index", None)
        title, rest = text.split("\n\n", 1)
        text = f"{title}\n\n{CUT.format(rank=cut_to)}\n\n{rest}"
    return f"---\n{yaml.safe_dump(fields, sort_keys=False)}---\n{text}"


def minimal_card(base: str, *, is_adapter: bool) -> str:
    """Of a model that was made elsewhere: what it is and where it comes from."""
    front = {
        **_base_of(base),
        "library_name": "peft" if is_adapter else "transformers",
        "pipeline_tag": "question-answering",
        "tags": ["qarank", "question-answering"],
    }
    head = f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n"
    return f"{head}Extractive question answering, of `{base}`; written by qarank merge.\n"


def _front_matter(
    recipe: Recipe, ranks: Mapping[str, int], metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """What the hub reads."""
    data = _name_data(recipe, of="validation")
    scores = [{"type": key, "value": metrics[key]} for key in SCORES if key in metrics]
    result = {
        "task": {"type": "question-answering"},
        "dataset": {"name": data, "type": data},
        "metrics": scores,
    }
    return {
        **_base_of(recipe.model.name_or_path),
        "library_name": "peft" if ranks else "transformers",
        "pipeline_tag": "question-answering",
        "tags": ["qarank", "question-answering", *(["lora"] if ranks else [])],
        **({"model-index": [{"name": recipe.name, "results": [result]}]} if scores else {}),
    }


def _base_of(name: str) -> dict[str, str]:
    """The hub refuses a base_model that is no name of its own."""
    return {"base_model": name} if HUB_NAME.fullmatch(name) and not Path(name).exists() else {}


def _name_data(recipe: Recipe, of: str = "train") -> str:
    """Hub names as they are, files without their folders: those are nobody else's business."""
    data = recipe.data
    location = data.train_location if of == "train" else data.validation_location
    if location is None:
        return "unnamed data"
    source, _ = location
    names = [source] if isinstance(source, str) else source
    return ", ".join(Path(name).name if is_file_name(name) else name for name in names)


def _render_recipe(recipe: Recipe) -> str:
    """The recipe, files and runs without the folders they are in."""
    document = yaml.safe_load(dump_recipe(recipe))
    document.pop("runs_dir", None)
    for key in ("source", "train", "validation"):
        value = document["data"].get(key)
        names = value if isinstance(value, list) else [value]
        bare = [Path(name).name if name and is_file_name(name) else name for name in names]
        if value is not None:
            document["data"][key] = bare if isinstance(value, list) else bare[0]
    if recipe.allocator.pattern is not None:
        document["allocator"]["pattern"] = Path(recipe.allocator.pattern).name
    return str(yaml.safe_dump(document, sort_keys=False))


def _describe_method(recipe: Recipe) -> str:
    adapter = recipe.adapter
    if adapter.type == "none":
        return "full fine-tuning" if adapter.full else "head only"
    allocated = ALLOCATED[recipe.allocator.type]
    return f"{adapter.type} adapters of r {adapter.r}, alpha {adapter.alpha}{allocated}"


def _table(title: str, metrics: Mapping[str, Any]) -> list[str]:
    shown = [(key, metrics[key]) for key in SHOWN_METRICS if key in metrics]
    if not shown:
        return []
    rows = [f"| {key} | {value:.2f} |" for key, value in shown]
    return [f"| {title} | value |", "|---|---|", *rows, ""]
