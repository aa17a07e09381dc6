"""The model card of a checkpoint: what it is, how it scores, what rank it kept."""

from collections.abc import Mapping
from typing import Any

import yaml

from qarank.config.schema import Recipe
from qarank.workflows.manner import Manner

SHOWN_METRICS = ("exact", "exact_match", "f1", "HasAns_exact", "HasAns_f1", "NoAns_exact")
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
    base = recipe.model.name_or_path
    front = {
        "base_model": base,
        "library_name": "peft" if ranks else "transformers",
        "pipeline_tag": "question-answering",
        "tags": ["qarank", "question-answering", *(["lora"] if ranks else [])],
    }
    lines = [
        "---",
        yaml.safe_dump(front, sort_keys=False).strip(),
        "---",
        f"# {recipe.name}",
        "",
        f"Extractive question answering: `{base}`, {_describe_method(recipe)},",
        f"after {facts['global_step']} optimizer steps. Trained with qarank, seed {recipe.seed}.",
        "",
    ]
    lines += _table("figure", facts.get("metrics") or {})
    if manner.null_threshold is not None and recipe.data.threshold_share:
        lines += [
            f"Null threshold: {manner.null_threshold:.4f}, tuned on training articles held out: "
            'above it, null score less the best span\'s, the answer is "no answer".',
            "",
        ]
    if ranks:
        lines += [f"Ranks kept: {sum(ranks.values())} over {len(ranks)} matrices.", ""]
        lines += ["| matrix | rank |", "|---|---|"]
        lines += [f"| `{path}` | {rank} |" for path, rank in ranks.items()]
    return "\n".join(lines) + "\n"


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
