"""How two recipes differ."""

from collections.abc import Mapping
from typing import Any

from qarank.config.mistakes import show_value
from qarank.config.schema import Recipe

WHERE_NOT_WHAT = ("name", "runs_dir")  # a run's folder may be moved


def list_differences(there: Recipe, asked: Recipe) -> list[str]:
    """A line for each key whose values differ, but for those that say where the run's folder is.

    Args:
        there: the recipe a run was started with.
        asked: the one asked for now.
    """
    old, new = _flatten(there.model_dump(mode="json")), _flatten(asked.model_dump(mode="json"))
    return [
        f"{key} is {show_value(old.get(key))} there, {show_value(new.get(key))} here"
        for key in {**old, **new}
        if old.get(key) != new.get(key) and key not in WHERE_NOT_WHAT
    ]


def _flatten(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
