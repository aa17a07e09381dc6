"""The way of a run through the command line, from a recipe to a dense model."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from qarank.cli.app import app
from qarank.config.schema import Recipe


@pytest.fixture(name="qarank")
def run_in_process(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a command with --json; gives its document, all that stands on stdout."""

    def run(*arguments: object) -> Any:
        app([*map(str, arguments), "--json"], standalone_mode=False)
        return json.loads(capsys.readouterr().out)

    return run


def train_alone(recipe: Path) -> Any:
    """`python -m qarank train` in a process of its own, as users start it."""
    command = [sys.executable, "-m", "qarank", "train", str(recipe), "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_from_a_recipe_to_a_dense_model(
    qarank: Callable[..., Any], tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe, run, merged = tmp_path / "tiny.yaml", tmp_path / "runs" / "tiny", tmp_path / "merged"
    recipe.write_text(yaml.safe_dump(tiny_recipe().model_dump(exclude_unset=True)))

    plan = qarank("prepare", recipe)["plan"]
    assert (plan["total_steps"], plan["schedule"]["target_budget"]) == (12, 24)

    trained = train_alone(recipe)
    assert trained["plan"] == plan
    assert trained["data"]["train"]["was_cached"]

    scored = qarank("eval", run)
    of_training = trained["result"]["metrics"]
    assert {key: scored["metrics"][key] for key in of_training} == of_training

    question, context = "Who wrote it?", "The keeper of the lighthouse wrote it."
    (answer,) = qarank("predict", run, "--question", question, "--context", context)
    assert answer["answer"] == context[max(answer["start"], 0) : max(answer["end"], 0)]

    ranks = qarank("inspect-ranks", run)
    assert ranks["total_rank"] == sum(trained["result"]["ranks"].values()) == 24

    assert qarank("merge", run, merged)["largest_difference"] <= 1e-4
    assert (merged / "model.safetensors").is_file()
