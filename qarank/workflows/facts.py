"""What a run was made with, for run.json."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import torch

from qarank import __version__
from qarank.workflows.build import Setting

LIBRARIES = ("torch", "transformers", "tokenizers", "datasets", "numpy", "safetensors")


def describe_environment(setting: Setting) -> dict[str, Any]:
    """Versions, hardware, number format and the time of the start."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "qarank": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
        "hardware": {
            "device": _name_device(setting.device),
            "threads": torch.get_num_threads(),
            "processes": setting.processes.world.world_size,
        },
        "precision": setting.precision,
    }


def _name_device(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()})"
