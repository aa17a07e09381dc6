import csv
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import qarank.workflows.sweep as sweep_module
from qarank.artifacts.lock import lock_folder
from qarank.artifacts.run_dir import RunDir
from qarank.config.load import parse_recipe
from qarank.config.schema import Recipe
from qarank.config.sweep_points import expand_points
from qarank.errors import DataError, QarankError, RunDirError, RunError, StoppedError
from qarank.workflows.sweep import Listener, SweepOutcome, run_sweep
from qarank.workflows.sweep_setup import SweepOptions
from qarank.workflows.train import run_path
from tests.workflows.in_process import InProcess

LORA = {"name": "lora", "adapter": {"type": "frd", "r": 2}, "allocator": {"type": "none"}}
ADALORA = {"name": "adalora", "allocator.target_r": 1}
NAN = {"name": "nan", "train.learning_rate": 1e30, "allocator.target_r": 1}
LATE = {"name": "late", "allocator.tinit": 11, "allocator.target_r": 1}
COSTS = ("train_s", "total_s", "features_per_s", "peak_bytes", "was_finished")


@dataclass
class Sweeper:
    """Runs sweeps of the tiny recipe, and remembers what was told."""

    recipe: Callable[..., Recipe]
    executor: InProcess
    folder: Path
    told: list[tuple[str, str, str]] = field(default_factory=list)

    def __call__(
        self,
        *points: Any,
        options: SweepOptions = SweepOptions(),  # noqa: B008
        seeds: list[int] | None = None,
        **sections: Any,
    ) -> SweepOutcome:
        self.told.clear()
        self.executor.ran.clear()
        sweep: dict[str, Any] = {"points": list(points or (LORA, ADALORA))}
        recipe = self.recipe(sweep=sweep | ({"seeds": seeds} if seeds else {}), **sections)
        return run_sweep(recipe, options, Listener(changed=lambda *told: self.told.append(told)))


@pytest.fixture
def sweep(
    tiny_recipe: Callable[..., Recipe],
    in_process: Callable[..., InProcess],
    tmp_path: Path,
) -> Sweeper:
    return Sweeper(tiny_recipe, in_process(), tmp_path / "runs/tiny")


def rows(outcome: SweepOutcome) -> dict[str, dict[str, Any]]:
    return {row["point"]: row for row in outcome.results.to_dict()["points"]}


def timeless(outcome: SweepOutcome) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in row.items() if key not in COSTS}
        for row in outcome.results.to_dict()["points"]
    ]


def test_each_point_is_a_run_and_a_row(sweep: Sweeper) -> None:
    outcome = sweep()
    assert outcome.failure is None
    assert sweep.executor.ran == ["lora", "adalora"]
    found = rows(outcome)
    assert (found["lora"]["start_budget"], found["lora"]["final_ranks"]) == (None, 24)
    assert (found["adalora"]["start_budget"], found["adalora"]["final_ranks"]) == (48, 12)
    assert found["lora"]["final_parameters"] == found["lora"]["trained_parameters"]
    assert found["adalora"]["final_parameters"] < found["adalora"]["trained_parameters"]
    assert (found["lora"]["method"], found["adalora"]["method"]) == ("frd", "svd + adalora")
    for name, row in found.items():
        run = RunDir(sweep.folder / name).read_run()["result"]
        assert row["metrics"] == run["metrics"] and row["peak_bytes"] == run["peak_bytes"] > 0


def test_a_sweep_leaves_tables_plots_and_a_page(sweep: Sweeper) -> None:
    outcome = sweep()
    written = json.loads((sweep.folder / "summary.json").read_text())
    assert written == json.loads(json.dumps(outcome.results.to_dict()))
    with (sweep.folder / "summary.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["point"] for line in lines] == ["lora", "adalora"]
    assert float(lines[1]["f1"]) == rows(outcome)["adalora"]["f1"]
    assert "adalora" in (sweep.folder / "summary.md").read_text()
    assert "<html" in (sweep.folder / "report.html").read_text()
    assert (sweep.folder / "budget.png").read_bytes().startswith(b"\x89PNG")


def test_finished_points_are_not_run_again(sweep: Sweeper) -> None:
    first = rows(sweep(LORA))
    second = rows(sweep(LORA, ADALORA))
    assert sweep.executor.ran == ["adalora"]
    assert ("lora", "finished before, kept", "") in sweep.told
    assert second["lora"] == {**first["lora"], "was_finished": True}


def test_finished_points_are_run_again_when_asked(sweep: Sweeper) -> None:
    sweep(LORA)
    mark = sweep.folder / "lora/eval/mark"
    mark.touch()
    sweep(LORA, options=SweepOptions(overwrite=True))
    assert sweep.executor.ran == ["lora"]
    assert not mark.exists()


def test_a_point_that_was_changed_is_run_anew_and_its_earlier_run_kept(
    sweep: Sweeper, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "qarank")
    sweep()
    before = RunDir(sweep.folder / "lora").read_run()
    wider = {**LORA, "adapter": {"type": "frd", "r": 3}}
    outcome = sweep(wider, ADALORA)
    assert sweep.executor.ran == ["lora"]
    assert rows(outcome)["lora"]["final_ranks"] == 36
    assert RunDir(sweep.folder / "earlier/lora-1").read_run() == before
    assert "lora: adapter.r is 2 there, 3 here; it is run anew" in caplog.text


def test_a_change_taken_back_costs_nothing(
    sweep: Sweeper, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "qarank")
    first = timeless(sweep(LORA))
    wider = {**LORA, "adapter": {"type": "frd", "r": 3}}
    sweep(wider)
    assert timeless(sweep(LORA)) == first and sweep.executor.ran == []
    assert "its run in" in caplog.text and "is of this recipe and is back" in caplog.text
    sweep(wider)
    assert sweep.executor.ran == []
    assert [path.name for path in (sweep.folder / "earlier").iterdir()] == ["lora-1"]


def test_a_sweep_stopped_before_a_point_began_has_not_touched_it(
    tiny_recipe: Callable[..., Recipe], in_process: Callable[..., InProcess], tmp_path: Path
) -> None:
    calm = Sweeper(tiny_recipe, in_process(), tmp_path / "runs/tiny")
    calm()
    executor = in_process(lambda job: os.kill(os.getpid(), signal.SIGINT))
    hasty = Sweeper(tiny_recipe, executor, tmp_path / "runs/tiny")
    with pytest.raises(StoppedError):
        hasty(options=SweepOptions(overwrite=True))
    assert RunDir(hasty.folder / "adalora").is_finished


def test_a_damaged_point_fails_alone(sweep: Sweeper, caplog: pytest.LogCaptureFixture) -> None:
    sweep()
    with (sweep.folder / "lora/metrics.jsonl").open("a") as file:
        file.write("{\n")
    for path in RunDir(sweep.folder / "lora").evals_dir.rglob("predictions.json"):
        path.unlink()
    outcome = sweep()
    assert outcome.failure is None
    assert "lora: left out of the plots" in caplog.text
    assert "lora: not compared with others" in caplog.text
    (sweep.folder / "lora/run.json").write_text("{")
    outcome = sweep(options=SweepOptions(only=("adalora",)))
    assert outcome.failure is None
    found = rows(outcome)
    assert found["adalora"]["state"] == "finished"
    assert found["lora"]["state"] == "failed" and "run.json" in found["lora"]["reason"]
    assert isinstance(sweep().failure, QarankError)
    assert sweep(options=SweepOptions(overwrite=True)).failure is None


def test_a_summary_that_cannot_be_written_on_the_way_stops_no_point(
    sweep: Sweeper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def refuse(*_: Any) -> None:
        calls.append(1)
        if len(calls) > 1:  # the first comes before any point runs
            raise RunError("the disk is full")

    monkeypatch.setattr(sweep_module, "write_summary", refuse)
    assert sweep().failure is None
    assert caplog.text.count("tables are not up to date: the disk is full") == 2


def test_other_data_under_the_same_name_make_a_point_run_anew(
    sweep: Sweeper, squad_file: Callable[[str], Path]
) -> None:
    path = squad_file("mine")
    data = {"train": str(path), "validation": str(path), "max_seq_length": 160, "doc_stride": 32}
    sweep(LORA, data=data)
    assert sweep(LORA, data=data) and sweep.executor.ran == []
    path.write_text(path.read_text().replace("keeper", "porter"))
    sweep(LORA, data=data)
    assert sweep.executor.ran == ["lora"]


def test_how_a_run_is_made_does_not_make_it_another(sweep: Sweeper) -> None:
    sweep(LORA)
    sweep({**LORA, "eval.batch_size": 7, "train.keep_checkpoints": 3})
    assert sweep.executor.ran == []


def test_an_unfinished_point_goes_on_after_its_newest_checkpoint(sweep: Sweeper) -> None:
    first = timeless(sweep(LORA))
    run_dir = RunDir(sweep.folder / "lora")
    run_dir.write_run({**run_dir.read_run(), "state": "running"})
    assert timeless(sweep(LORA)) == first
    assert run_dir.read_run()["resumed"][0]["from"] == "step_000012"


def test_a_sweep_that_was_stopped_goes_on_by_the_same_command(
    sweep: Sweeper, at_step: Callable[[int, Callable[[], Any]], None]
) -> None:
    sweep(LORA)
    at_step(5, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(StoppedError, match="stopped by SIGTERM; 1 of 2 points are fini") as caught:
        sweep(options=SweepOptions(resume_command="qarank sweep tiny.yaml"))
    assert caught.value.hint == "go on with qarank sweep tiny.yaml"
    (_, stopped) = json.loads((sweep.folder / "summary.json").read_text())["points"]
    assert stopped["state"] == "stopped"
    sweep()
    assert sweep.executor.ran == ["adalora"]
    resumed = RunDir(sweep.folder / "adalora").read_run()["resumed"]
    assert [entry["from"] for entry in resumed] == ["step_000005"]


def test_no_point_is_started_after_a_signal(
    tiny_recipe: Callable[..., Recipe],
    in_process: Callable[..., InProcess],
    tmp_path: Path,
) -> None:
    executor = in_process(lambda job: os.kill(os.getpid(), signal.SIGINT))
    sweep = Sweeper(tiny_recipe, executor, tmp_path / "runs/tiny")
    with pytest.raises(StoppedError) as caught:
        sweep()
    assert caught.value.exit_code == 128 + signal.SIGINT
    assert executor.ran == ["lora"]


def test_a_point_that_fails_stops_no_other_and_says_why(sweep: Sweeper) -> None:
    outcome = sweep(NAN, LORA)
    assert sweep.executor.ran == ["nan", "lora"]
    found = rows(outcome)
    assert found["nan"]["state"] == "failed" and found["lora"]["state"] == "finished"
    assert str(found["nan"]["reason"]).startswith("step 2: the loss is nan")
    assert isinstance(outcome.failure, RunError)
    assert str(outcome.failure).startswith("1 of 2 points failed; nan: ")


def test_a_point_that_cannot_run_is_told_first_and_stops_no_other(sweep: Sweeper) -> None:
    outcome = sweep(LORA, LATE)
    assert sweep.told[0][:2] == ("late", "failed")
    assert "do not fit a run of 12 steps" in sweep.told[0][2]
    assert rows(outcome)["lora"]["state"] == "finished"
    assert outcome.failure is not None and outcome.failure.exit_code == QarankError.exit_code


def test_where_no_point_can_run_nothing_is_made(sweep: Sweeper) -> None:
    with pytest.raises(QarankError, match="sweep point late: .*do not fit a run of 12 steps"):
        sweep(LATE)
    assert not sweep.folder.exists()


def test_only_those_asked_for_are_run_and_all_are_in_the_table(sweep: Sweeper) -> None:
    outcome = sweep(options=SweepOptions(only=("lor?",)))
    assert sweep.executor.ran == ["lora"]
    assert {name: row["state"] for name, row in rows(outcome).items()} == {
        "lora": "finished",
        "adalora": "waiting",
    }
    outcome = sweep(options=SweepOptions(only=("ada*",)))
    assert sweep.executor.ran == ["adalora"]
    assert {row["state"] for row in rows(outcome).values()} == {"finished"}


def test_seeds_are_one_group_and_methods_at_one_budget_are_compared(sweep: Sweeper) -> None:
    one = {**LORA, "adapter": {"type": "frd", "r": 2}}
    other = {"name": "svd", "adapter.r": 2, "allocator": {"type": "none"}}
    results = sweep(one, other, seeds=[1, 2]).results
    assert [(group.name, group.seeds) for group in results.groups] == [
        ("lora", (1, 2)),
        ("svd", (1, 2)),
    ]
    (comparison,) = results.comparisons
    assert (comparison.first, comparison.second) == ("lora", "svd")
    assert comparison.num_questions == 24
    first, second = results.groups
    difference = first.figures["f1"].mean - second.figures["f1"].mean
    assert comparison.figures["f1"].value == pytest.approx(difference)


def test_a_folder_of_somebody_else_is_refused(sweep: Sweeper) -> None:
    folder = sweep.folder / "lora"
    folder.mkdir(parents=True)
    (folder / "letter.txt").write_text("mine")
    with pytest.raises(RunDirError, match="lora: .* holds files of somebody else"):
        sweep(LORA, options=SweepOptions(overwrite=True))
    assert (folder / "letter.txt").read_text() == "mine"


def test_two_sweeps_of_one_name_do_not_run_at_a_time(sweep: Sweeper) -> None:
    sweep.folder.mkdir(parents=True)
    with lock_folder(sweep.folder), pytest.raises(RunDirError, match=f"process {os.getpid()} on"):
        sweep()


def test_a_sweep_is_not_laid_into_a_run(sweep: Sweeper) -> None:
    sweep.folder.mkdir(parents=True)
    RunDir(sweep.folder).write_run({"state": "finished"})
    with pytest.raises(RunDirError, match="holds a run; give the sweep another name"):
        sweep(options=SweepOptions(overwrite=True))


def test_a_point_is_a_recipe_like_any_other(tiny_recipe: Callable[..., Recipe]) -> None:
    for point in expand_points(tiny_recipe(sweep={"points": [LORA, ADALORA]})):
        assert run_path(point.recipe).name == point.name
        assert parse_recipe(point.recipe.model_dump(exclude_unset=True), "x") == point.recipe


def test_data_that_is_gone_fails_the_points_that_want_it_alone(sweep: Sweeper) -> None:
    gone = {**LORA, "name": "gone", "data": {"train": "/nowhere/train.json"}}
    outcome = sweep(gone, LORA)
    assert rows(outcome)["gone"]["state"] == "failed"
    assert sweep.executor.ran == ["lora"]
    with pytest.raises(DataError, match="sweep point gone"):
        sweep(gone)
