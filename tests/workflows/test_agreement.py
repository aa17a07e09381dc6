from collections.abc import Callable
from typing import Any

import pytest
import torch

from qarank.config.schema import Recipe
from qarank.engine.distributed import Processes
from qarank.engine.environment import World
from qarank.errors import LostProcessError
from qarank.workflows.agreement import describe_meaning, require_same_run_everywhere
from qarank.workflows.build import Setting
from qarank.workflows.prepare import prepare_run


class Differing(Processes):
    """Two processes of which the other one has another value at the n-th question."""

    def __init__(self, odd: int) -> None:
        super().__init__(World(0, 0, 2, 2))
        self.odd, self.asked = odd, 0

    def gather(self, value: Any) -> list[Any]:
        self.asked += 1
        return [value, "another" if self.asked == self.odd else value]


@pytest.mark.parametrize(
    ("odd", "what"),
    list(
        enumerate(
            ["the recipe", "the data", "the model", "the plan", "precision", "the version"], start=1
        )
    ),
)
def test_what_a_process_has_otherwise_is_named_before_training(
    tiny_recipe: Callable[..., Recipe], odd: int, what: str
) -> None:
    prepared = prepare_run(tiny_recipe())
    setting = Setting(torch.device("cpu"), "fp32", Differing(odd))
    with pytest.raises(LostProcessError, match=f"^{what}.* differs between processes: 1 from"):
        require_same_run_everywhere(prepared, setting)


def test_processes_of_one_mind_go_on(tiny_recipe: Callable[..., Recipe]) -> None:
    setting = Setting(torch.device("cpu"), "fp32", Differing(0))
    require_same_run_everywhere(prepare_run(tiny_recipe()), setting)


def test_a_runs_folder_may_be_elsewhere_on_another_machine(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    setting = Setting(torch.device("cpu"), "fp32")
    here, there = (prepare_run(tiny_recipe(runs_dir=name)) for name in ("here", "there"))
    assert describe_meaning(here, setting) == describe_meaning(there, setting)
