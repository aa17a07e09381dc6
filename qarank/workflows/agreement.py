"""Before a run on several processes: do all of them mean the same run?"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch

from qarank import __version__
from qarank.workflows.build import Setting
from qarank.workflows.fingerprint import fingerprint_model, fingerprint_parts
from qarank.workflows.prepare import Prepared


def require_same_run_everywhere(prepared: Prepared, setting: Setting) -> None:
    """Stop where a machine has another recipe, other data or other software.

    Raises:
        LostProcessError: names what differs, and which processes.
    """
    if setting.processes.is_alone:
        return
    for what, value in describe_meaning(prepared, setting).items():
        setting.processes.require_agreement(_digest(value), what=what)


def describe_meaning(prepared: Prepared, setting: Setting) -> Mapping[str, Any]:
    """What must be the same on every process, by the words a message has for it."""
    recipe = prepared.recipe.model_dump(mode="json", exclude={"runs_dir"})
    return {
        "the recipe": recipe,
        "the data": fingerprint_parts(prepared),
        "the model": fingerprint_model(prepared.source),
        "the plan": prepared.plan.to_dict(),
        "precision or kind of device": [setting.precision, setting.device.type],
        "the version of qarank or torch": [__version__, torch.__version__],
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
