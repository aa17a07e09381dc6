import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qarank.errors import CheckpointError
from qarank.workflows.inspect_ranks import report_ranks
from qarank.workflows.inspect_rounds import find_last_step, report_rounds


def read_lines(run: Any) -> list[dict[str, Any]]:
    text = (run.folder / "ranks.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_has_all_its_rounds_and_the_last_has_its_ranks(pruned_run: Any) -> None:
    report = report_ranks(pruned_run.folder)
    rounds = report_rounds(pruned_run.folder, report)
    assert [each.global_step for each in rounds] == [4, 6, 8]
    assert [each.ranks for each in rounds] == [line["ranks"] for line in read_lines(pruned_run)]
    assert rounds[-1].ranks == report.ranks
    assert rounds[-1].parameters == report.total_parameters


def test_a_checkpoint_in_the_middle_has_the_rounds_before_it(
    train_tiny: Callable[..., Any],
) -> None:
    train = {"max_steps": 12, "batch_size": 8, "save_every": 4, "keep_checkpoints": 9}
    run = train_tiny(name="middle", train=train)
    checkpoint = run.folder / "checkpoints" / "step_000004"
    report = report_ranks(checkpoint)
    rounds = report_rounds(checkpoint, report)
    assert [each.global_step for each in rounds] == [4]
    assert rounds[-1].ranks == report.ranks
    assert report.total_rank > report_ranks(run.folder).total_rank
    assert (find_last_step(checkpoint), find_last_step(run.folder)) == (4, 12)


def test_rounds_of_other_matrices_are_damage(own_run: Any) -> None:
    path = own_run.folder / "ranks.jsonl"
    path.write_text(path.read_text().replace(".query", ".qwery"))
    with pytest.raises(CheckpointError, match="names matrices that rank_pattern.json does not"):
        report_rounds(own_run.folder, report_ranks(own_run.folder))


def test_a_run_that_goes_on_is_known_until_its_newest_checkpoint(own_run: Any) -> None:
    path = own_run.folder / "run.json"
    run = json.loads(path.read_text())
    assert find_last_step(own_run.folder) == run["plan"]["total_steps"] == 12
    path.write_text(json.dumps(run | {"result": None, "plan": run["plan"] | {"total_steps": 99}}))
    assert find_last_step(own_run.folder) == 12


def test_an_adapter_elsewhere_has_no_steps(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    assert find_last_step(tmp_path) is None
