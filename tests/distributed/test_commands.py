"""Commands under torchrun: which of them several processes may run."""

import json
from pathlib import Path

import pytest

from tests.distributed.processes import run
from tests.distributed.runs import command_here


@pytest.mark.parametrize(
    "command",
    [
        ["eval", "runs/tiny"],
        ["predict", "runs/tiny", "--question", "Who?"],
        ["sweep", "recipe.yaml"],
        ["inspect-ranks", "runs/tiny"],
        ["merge", "runs/tiny", "out"],
    ],
    ids=lambda words: words[0],
)
def test_a_command_for_one_process_is_refused_by_the_main_one(command: list[str]) -> None:
    ended = run(command_here, command)
    assert [process.code for process in ended] == [2, 2]
    assert [process.out + process.err for process in ended] == [
        f"qarank: qarank {command[0]} runs in one process, and 2 were started: leave torchrun or "
        "accelerate launch out; qarank train runs in several\n",
        "",
    ]


def test_a_launcher_of_one_process_may_start_any_command(tmp_path: Path) -> None:
    place = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
    (ended,) = run(command_here, ["eval", str(tmp_path / "none")], world_size=1, environment=place)
    assert ended.code == 2
    assert "one process" not in ended.err


@pytest.mark.parametrize("command", [["prepare"], ["train", "--dry-run"]], ids=lambda w: w[0])
def test_the_main_process_prepares_and_plans_for_all(
    recipe_path: Path, tmp_path: Path, command: list[str]
) -> None:
    ended = run(command_here, [*command, str(recipe_path), "--json"])
    assert [process.code for process in ended] == [0, 0], ended[0].err
    report = json.loads(ended[0].out)
    assert report["processes"] == {"world_size": 2, "features_a_step": 4.0}
    assert ended[1].out == ""
    assert not (tmp_path / "runs").exists()


def test_a_launcher_that_shards_parameters_is_refused_with_one_line(recipe_path: Path) -> None:
    ended = run(
        command_here, ["train", str(recipe_path)], environment={"ACCELERATE_USE_FSDP": "true"}
    )
    assert [process.code for process in ended] == [2, 2]
    assert [process.err.count("\n") for process in ended] == [1, 0]
    assert ended[0].err.startswith("qarank: ACCELERATE_USE_FSDP is set: FSDP shards parameters")


def test_processes_as_accelerate_starts_them_train(recipe_path: Path, tmp_path: Path) -> None:
    ended = run(
        command_here,
        ["train", str(recipe_path), "--json"],
        environment={
            "ACCELERATE_MIXED_PRECISION": "bf16",
            "ACCELERATE_DYNAMO_BACKEND": "NO",
            "ACCELERATE_DYNAMO_MODE": "default",
            "ACCELERATE_DYNAMO_USE_FULLGRAPH": "False",
            "ACCELERATE_DYNAMO_USE_DYNAMIC": "False",
            "TORCHELASTIC_RESTART_COUNT": "0",
            "TORCHELASTIC_MAX_RESTARTS": "0",
        },
    )
    assert [process.code for process in ended] == [0, 0], ended[0].err
    assert json.loads(ended[0].out) == json.loads((tmp_path / "runs/tiny/run.json").read_text())
    assert ended[1].out == ""
    told = "".join(process.err for process in ended)
    assert told.count("accelerate's bf16 is not used: train.precision decides") == 1
