"""Pushing, against a hub that is played; the real one is never asked."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

from qarank.errors import HubError
from qarank.workflows import push
from qarank.workflows.push import check_pushable, push_folder


class Hub:
    """Plays HfApi: keeps what it was given, and refuses what it is told to."""

    def __init__(self, refuses: str = "") -> None:
        self.refuses = refuses
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __call__(self) -> "Hub":
        return self

    def answer(self, name: str, options: dict[str, Any]) -> None:
        self.calls.append((name, options))
        if name == self.refuses:
            response: Any = SimpleNamespace(headers={}, request=None)
            raise HfHubHTTPError("403 Forbidden: not yours\nmore", response=response)

    def whoami(self) -> dict[str, str]:
        if self.refuses == "whoami":
            raise LocalTokenNotFoundError("no token")
        return {"name": "me"}

    def create_repo(self, name: str, **options: Any) -> SimpleNamespace:
        self.answer("create_repo", {"name": name, **options})
        return SimpleNamespace(repo_id=f"me/{name}")

    def upload_folder(self, **options: Any) -> str:
        self.answer("upload_folder", options)
        return "https://hub/me/model/commit/1"


def play(monkeypatch: pytest.MonkeyPatch, hub: Hub, *, reachable: bool = True) -> Hub:
    monkeypatch.setattr(push, "HfApi", hub)
    monkeypatch.setattr(push, "is_hub_reachable", lambda: reachable)
    return hub


def test_a_folder_goes_up_whole_into_a_repository_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = play(monkeypatch, Hub())
    check_pushable("model")
    assert push_folder(tmp_path, "model", private=True) == "https://hub/me/model/commit/1"
    (made, of_repo), (sent, of_folder) = hub.calls
    assert (made, sent) == ("create_repo", "upload_folder")
    assert of_repo == {"name": "model", "private": True, "exist_ok": True}
    assert of_folder["repo_id"] == "me/model" and of_folder["folder_path"] == tmp_path


@pytest.mark.parametrize("refuses", ["create_repo", "upload_folder"])
def test_a_hub_that_refuses_is_told_in_one_line(
    refuses: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, Hub(refuses))
    with pytest.raises(HubError, match="is written, but model did not take it: 403 Forb") as caught:
        push_folder(tmp_path, "model", private=False)
    assert "\n" not in str(caught.value)


def test_out_of_reach_or_not_logged_in_is_told_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play(monkeypatch, Hub(), reachable=False)
    with pytest.raises(HubError, match="^--push-to-hub model: the hub cannot be reached$"):
        check_pushable("model")
    play(monkeypatch, Hub("whoami"))
    with pytest.raises(HubError, match="model: not logged in; `hf auth login`, or set HF_TOKEN$"):
        check_pushable("model")
