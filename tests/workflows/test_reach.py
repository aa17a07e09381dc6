from collections.abc import Callable
from pathlib import Path

import pytest

from qarank.config.schema import Recipe
from qarank.errors import DataError, HubError, ModelError
from qarank.workflows.reach import check_reach


def test_what_is_there_is_within_reach(tiny_recipe: Callable[..., Recipe]) -> None:
    check_reach(tiny_recipe())


def test_a_missing_folder_and_a_missing_file_are_named(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="there is no folder"):
        check_reach(tiny_recipe(model={"name_or_path": str(tmp_path / "none")}))
    with pytest.raises(DataError, match=r"none\.json does not exist"):
        check_reach(tiny_recipe(data={"train": str(tmp_path / "none.json")}))


def test_a_hub_name_offline_says_what_to_do(
    tiny_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubError, match="set HF_HOME to a cache that holds it"):
        check_reach(tiny_recipe(model={"name_or_path": "somebody/some-model"}))
