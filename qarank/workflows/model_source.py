"""Where a model is: a folder, an installed package, or the hub. Knows without loading torch."""

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache

from qarank.config.schema import ModelConfig
from qarank.errors import HubError, ModelError
from qarank.hub import is_hub_reachable

PACKAGE_SCHEME = "package:"


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from.

    Attributes:
        location: what from_pretrained is given: a folder, or a hub name.
        options: its further arguments.
    """

    location: str
    options: Mapping[str, Any]


def find_model(model: ModelConfig) -> ModelSource:
    """Resolve a recipe's name_or_path.

    Raises:
        ModelError: no such folder or package.
        HubError: a hub name that is not cached while the hub is out of reach; told in seconds.
    """
    name = os.path.expanduser(model.name_or_path)
    options = {"revision": model.revision, "trust_remote_code": model.trust_remote_code}
    if name.startswith(PACKAGE_SCHEME):
        return ModelSource(str(_find_in_package(name)), {})
    if Path(name).is_dir():
        return ModelSource(name, {"trust_remote_code": model.trust_remote_code})
    if name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise ModelError(f"model.name_or_path: there is no folder {name}")
    cached = isinstance(try_to_load_from_cache(name, "config.json", revision=model.revision), str)
    if is_hub_reachable():
        return ModelSource(name, options)
    if cached:
        return ModelSource(name, {**options, "local_files_only": True})
    raise HubError(
        f"model.name_or_path: {name} is no folder here, and the hub cannot be reached; name a "
        "downloaded folder, package:MODULE/FOLDER, or set HF_HOME to a cache that holds it"
    )


def _find_in_package(name: str) -> Path:
    """package:MODULE/FOLDER -> the folder, found without importing the module."""
    module, _, folder = name.removeprefix(PACKAGE_SCHEME).partition("/")
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            f"model.name_or_path: {name} needs the Python package {module}, which is not installed"
            " (the quickstart's model comes with `pip install 'qarank[demo]'`)"
        )
    path = Path(spec.submodule_search_locations[0]) / folder
    if not (path / "config.json").is_file():
        raise ModelError(f"model.name_or_path: package {module} holds no model in {folder!r}")
    return path
