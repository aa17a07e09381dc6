import socket
import time
from pathlib import Path
from typing import Any

import pytest

from qarank.config.schema import ModelConfig
from qarank.errors import HubError, ModelError
from qarank.workflows.model_source import find_model


def named(name: str, **keys: Any) -> ModelConfig:
    return ModelConfig(name_or_path=name, **keys)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing answers, and nothing is cached."""

    def refuse(*_: object) -> socket.socket:
        raise OSError("unreachable")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))


def test_a_folder_is_itself(tiny_model_dir: Path) -> None:
    assert find_model(named(str(tiny_model_dir))).location == str(tiny_model_dir)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="name_or_path: there is no folder .*absent"):
        find_model(named(str(tmp_path / "absent")))


def test_a_package_is_found_without_being_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "shipped_model"
    (package / "weights").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "weights" / "config.json").write_text("{}")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_model(named("package:shipped_model/weights")).location == str(package / "weights")
    with pytest.raises(ModelError, match="package shipped_model holds no model in 'other'"):
        find_model(named("package:shipped_model/other"))


@pytest.mark.parametrize("name", ["package:no_such_module/model", "package:no.such/model"])
def test_a_package_that_is_not_installed_is_named(name: str) -> None:
    with pytest.raises(ModelError, match="which is not installed"):
        find_model(named(name))


@pytest.mark.usefixtures("no_network")
def test_a_hub_name_out_of_reach_is_refused_at_once_with_what_to_do() -> None:
    started = time.perf_counter()
    with pytest.raises(HubError) as caught:
        find_model(named("somebody/some-model"))
    assert time.perf_counter() - started < 3.5
    line = str(caught.value)
    assert "somebody/some-model is no folder here" in line
    assert "downloaded folder, package:MODULE/FOLDER, or set HF_HOME" in line


@pytest.mark.usefixtures("no_network")
def test_a_cached_hub_name_is_opened_without_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "qarank.workflows.model_source.try_to_load_from_cache", lambda *_, **__: "/c.json"
    )
    source = find_model(named("somebody/some-model", revision="v2"))
    assert source.options == {
        "revision": "v2",
        "trust_remote_code": False,
        "local_files_only": True,
    }


def test_a_reachable_hub_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qarank.workflows.model_source.is_hub_reachable", lambda: True)
    assert "local_files_only" not in find_model(named("somebody/some-model")).options
