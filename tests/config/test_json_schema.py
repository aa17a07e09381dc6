import json
import runpy
import sys
from pathlib import Path

import pytest

from qarank.config.json_schema import build_json_schema, json_schema_text, main

RECIPES_DIR = Path(__file__).parents[2] / "recipes"


def test_the_committed_schema_is_current() -> None:
    committed = (RECIPES_DIR / "recipe.schema.json").read_text(encoding="utf-8")
    assert committed == json_schema_text()


def test_the_schema_says_what_it_is_and_which_keys_a_file_needs() -> None:
    schema = build_json_schema()
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["title"] == "qarank recipe"
    assert schema["required"] == ["model", "data", "train"]
    assert schema["additionalProperties"] is False


def test_every_key_has_a_description() -> None:
    for name, section in build_json_schema()["$defs"].items():
        for key, node in section["properties"].items():
            assert node.get("description", "").endswith("."), f"{name}.{key}"


def test_editors_are_told_of_the_keys_of_a_point_that_are_no_overrides() -> None:
    points = build_json_schema()["$defs"]["SweepConfig"]["properties"]["points"]
    (listed,) = [member for member in points["anyOf"] if member["type"] == "array"]
    point = listed["items"]
    assert set(point["properties"]) == {"name", "published"}
    assert set(point["properties"]["published"]["properties"]) == {"source", "exact", "f1"}
    assert point["additionalProperties"] is True


def test_the_module_writes_the_schema_to_the_path_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.json"
    monkeypatch.setattr(sys, "argv", ["json_schema", str(path)])
    monkeypatch.delitem(sys.modules, "qarank.config.json_schema")
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("qarank.config.json_schema", run_name="__main__")
    assert caught.value.code == 0
    assert json.loads(path.read_text(encoding="utf-8")) == build_json_schema()


def test_without_a_path_it_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err == "usage: python -m qarank.config.json_schema PATH\n"
