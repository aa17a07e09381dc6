"""Puts a folder on the hub, whole, as one commit."""

from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

from qarank.errors import HubError
from qarank.hub import is_hub_reachable


def check_pushable(name: str) -> None:
    """Raise, before anything long, what would keep a folder from the hub.

    Raises:
        HubError: the hub is out of reach, or nobody is logged in.
    """
    if not is_hub_reachable():
        raise HubError(f"--push-to-hub {name}: the hub cannot be reached")
    try:
        HfApi().whoami()
    except (HfHubHTTPError, LocalTokenNotFoundError, OSError) as error:
        raise HubError(
            f"--push-to-hub {name}: not logged in; `hf auth login`, or set HF_TOKEN"
        ) from error


def push_folder(folder: Path, name: str, *, private: bool) -> str:
    """Upload a folder as a model; made if it is not there.

    Args:
        folder: all of it goes up.
        name: USER/MODEL, or MODEL of who is logged in.
        private: for a repository that is made now.

    Returns:
        The commit's address.

    Raises:
        HubError: the name is none, or the hub refuses; the folder stays as it is.
    """
    api = HfApi()
    try:
        repo = api.create_repo(name, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo.repo_id, folder_path=folder, commit_message="Written by qarank merge"
        )
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise HubError(f"{folder} is written, but {name} did not take it: {reason}") from error
    return str(commit)
