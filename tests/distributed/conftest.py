"""A recipe whose run is telling: it prunes in more than ten rounds, revives, and has no dropout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from qarank.config.schema import Recipe
from tests.distributed.runs import BASE


@pytest.fixture
def telling_recipe(
    tiny_recipe: Callable[..., Recipe], tiny_model_dir: Path
) -> Callable[..., Recipe]:
    """Makes that recipe; keyword arguments are merged into its sections."""

    def build(**changes: Any) -> Recipe:
        model = {"name_or_path": str(tiny_model_dir), "dropout": 0.0}
        data = {
            "source": "sample:almanac",
            "max_train_examples": 64,
            "max_eval_examples": 24,
            "max_seq_length": 160,
            "doc_stride": 32,
        }
        sections: dict[str, Any] = {**BASE, "model": model, "data": data}
        for name, change in changes.items():
            old = sections.get(name)
            sections[name] = old | change if isinstance(old, dict) else change
        return tiny_recipe(**sections)

    return build


@pytest.fixture
def recipe_path(telling_recipe: Callable[..., Recipe], tmp_path: Path) -> Path:
    """That recipe as a file."""
    path = tmp_path / "telling.yaml"
    path.write_text(yaml.safe_dump(telling_recipe().model_dump(exclude_unset=True)))
    return path
