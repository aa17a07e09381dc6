"""How two recipes differ."""

from collections.abc import Mapping
from typing import Any

from qarank.config.mistakes import show_value
from qarank.config.schema import Recipe

WHERE_NOT_WHAT = ("name", "runs_dir")  # a run's folder may be moved
HOW_NOT_WHAT = (  # what a run is made with, not what it is: results are equal but for roundings
    "train.micro_batch_size",
    "train.gradient_checkpointing",
    "train.keep_checkpoints",
    "eval.batch_size",
)


def list_differences(there: Recipe, asked: Recipe) -> list[str]:
    """A line for each key that makes another run of it; where and how it is made does not.

    Args:
        there: the recipe a run was started with.
        asked: the one asked for now.
    """
    free = (*WHERE_NOT_WHAT, *HOW_NOT_WHAT)
    return [line for key, line in _compare(there, asked).items() if key not in free]


def list_means(there: Recipe, asked: Recipe) -> list[str]:
    """A line for each key of HOW_NOT_WHAT whose values differ; args as `list_differences`."""
    return [line for key, line in _compare(there, asked).items() if key in HOW_NOT_WHAT]


def _compare(there: Recipe, asked: Recipe) -> dict[str, str]:
    """Key -> a line, of those whose values differ."""
    old, new = _flatten(there.model_dump(mode="json")), _flatten(asked.model_dump(mode="json"))
    return {
        key: f"{key} is {show_value(old.get(key))} there, {show_value(new.get(key))} here"
        for key in {**old, **new}
        if old.get(key) != new.get(key)
    }


def _flatten(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
