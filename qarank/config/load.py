"""YAML plus overrides -> Recipe, and back. A mistake is one line, told before torch loads."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from qarank.config.mistakes import list_mistakes, show_value
from qarank.config.schema import Recipe
from qarank.config.yaml_text import read_yaml
from qarank.errors import RecipeError

SECTIONS = ("model", "data", "adapter", "allocator", "train", "eval")


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file.

    Args:
        path: the YAML file; its stem is the default of `name`.
        overrides: "a.b=value", the value in YAML; a later one wins. A mapping as the value
            replaces the whole section.

    Raises:
        RecipeError: no such file, no YAML, or not a recipe; one line.
    """
    mapping = {"name": path.stem, **_read_mapping(path)}
    asked: dict[str, str] = {}
    for override in overrides:
        key, value = read_override(override)
        mapping = set_key(mapping, key, value, where=f"--set {override}")
        asked[key] = f"--set {override}"
    return parse_recipe(mapping, str(path), overrides=asked)


def parse_recipe(
    mapping: Mapping[str, Any], where: str, *, overrides: Mapping[str, str] | None = None
) -> Recipe:
    """Check a mapping as YAML gives it.

    Args:
        mapping: sections and keys, `name` included; an empty section is one of defaults.
        where: the file's path or another word for the mapping, opens an error's line.
        overrides: dotted key -> what set it; opens the line instead if that key is wrong.

    Raises:
        RecipeError: the first mistake, and how many more there are.
    """
    asked = {str(key): value for key, value in mapping.items()}
    for section in SECTIONS:
        if asked.get(section) is None:
            asked[section] = {}
    try:
        return Recipe.model_validate(asked)
    except ValidationError as error:
        first, *others = list_mistakes(error, asked)
    source = _name_source(first.key, where, overrides or {})
    more = f" (and {len(others)} more)" if others else ""
    raise RecipeError(f"{source}: {first.line}{more}")


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as asked, in YAML: keys that were set, no defaults; loads back equal."""
    asked = recipe.model_dump(exclude_unset=True)
    # Escapes, not raw Unicode: PyYAML writes U+0085 raw and then reads a line break.
    return yaml.safe_dump(asked, sort_keys=False, width=100)


def read_override(override: str) -> tuple[str, Any]:
    """Split "a.b=value" into its key and its value, read as YAML.

    Raises:
        RecipeError: there is no key, or the value is no YAML.
    """
    key, equals, text = override.partition("=")
    if not key.strip() or not equals:
        raise RecipeError(f"--set {override}: write KEY=VALUE, as in adapter.r=8")
    return key.strip(), read_yaml(text, where=f"--set {override}")


def set_key(mapping: Mapping[str, Any], key: str, value: Any, *, where: str) -> dict[str, Any]:
    """A copy of the mapping with one dotted key set; missing sections are made.

    Raises:
        RecipeError: the path leads through a value that holds no keys.
    """
    changed = copy.deepcopy(dict(mapping))
    # Two dots at most: under sweep.grid the rest, "adapter.r", is one key.
    *sections, leaf = key.split(".", 2)
    node = changed
    for depth, section in enumerate(sections, start=1):
        if node.get(section) is None:
            node[section] = {}
        node = node[section]
        if not isinstance(node, dict):
            path = ".".join(sections[:depth])
            raise RecipeError(f"{where}: {path} is {show_value(node)}; it holds no keys")
    node[leaf] = value
    return changed


def _name_source(key: str, where: str, overrides: Mapping[str, str]) -> str:
    """The override that set the wrong key, else the file; both where several keys clash ("")."""
    if not key:
        return " ".join([where, "with", *overrides.values()]) if overrides else where
    for overridden, text in overrides.items():
        if f"{key}.".startswith(f"{overridden}.") or f"{overridden}.".startswith(f"{key}."):
            return text
    return where


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe file") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 text at byte {error.start}") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from None
    mapping = read_yaml(text, where=str(path))
    if not isinstance(mapping, dict):
        raise RecipeError(
            f"{path}: holds {show_value(mapping)}; a recipe is a mapping of keys, as in"
            " `model: {name_or_path: ...}`"
        )
    return mapping
