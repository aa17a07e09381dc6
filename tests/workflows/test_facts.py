import platform
from datetime import datetime
from importlib.metadata import version

import torch

from qarank import __version__
from qarank.workflows.build import Setting
from qarank.workflows.facts import LIBRARIES, describe_environment


def test_versions_hardware_and_precision_are_written_down() -> None:
    facts = describe_environment(Setting(torch.device("cpu"), "fp32"))
    assert facts["versions"]["qarank"] == __version__
    assert facts["versions"]["torch"] == version("torch")
    assert set(facts["versions"]) == {"qarank", "python", *LIBRARIES}
    assert facts["hardware"]["device"] == f"cpu ({platform.machine()})"
    assert facts["hardware"]["threads"] == torch.get_num_threads()
    assert facts["precision"] == "fp32"


def test_the_start_is_a_time_with_its_zone() -> None:
    started = datetime.fromisoformat(
        describe_environment(Setting(torch.device("cpu"), "fp32"))["started"]
    )
    assert started.tzinfo is not None
