import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from qarank.adapters.inject import trainable_parameters
from qarank.artifacts.checkpoint import verify_checkpoint
from qarank.artifacts.run_dir import RunDir
from qarank.engine.distributed import ALONE, Processes
from qarank.engine.tracking import NullTracker
from qarank.errors import CheckpointError, RunError
from qarank.workflows.build import Setting, build_allocator, build_model, build_trainer
from qarank.workflows.checkpointer import Checkpointer, SavedState
from qarank.workflows.manner import Manner
from qarank.workflows.prepare import Prepared

Make = Callable[..., Checkpointer]
CPU = torch.device("cpu")
COUNTS = {"logger": {}, "progress": {"rows": 3}, "num_revived": 1}


class Tracker(NullTracker):
    """Notes what checkpoints there were when it was told to have all on disk."""

    def __init__(self, run_dir: RunDir) -> None:
        self.run_dir = run_dir
        self.seen: list[list[str]] = []

    def sync(self) -> None:
        self.seen.append([folder.name for folder in self.run_dir.checkpoints()])


@pytest.fixture
def make(prepare_tiny: Callable[..., Prepared], tmp_path: Path) -> Make:
    """A checkpointer of a run before its first step, or of one of its processes."""
    prepared = prepare_tiny()

    def build(processes: Processes = ALONE, folder: str = "run") -> Checkpointer:
        run_dir = RunDir(tmp_path / folder)
        setting = Setting(CPU, "fp32", processes)
        model, layers = build_model(prepared, setting)
        allocator = build_allocator(prepared, layers)
        trainer = build_trainer(prepared, model, layers, setting, allocator=allocator)
        return Checkpointer(
            prepared,
            run_dir,
            Tracker(run_dir),
            trainer,
            layers,
            allocator,
            describe_counts=lambda: COUNTS,
            describe_manner=lambda _: Manner(),
        )

    return build


def weights(checkpointer: Checkpointer) -> dict[str, Tensor]:
    model = checkpointer.trainer.model
    return {name: p.detach().clone() for name, p in trainable_parameters(model).items()}


def test_a_checkpoint_is_whole_and_says_all_that_was_counted(make: Make) -> None:
    checkpointer = make()
    checkpointer.save(4, {"f1": 50.0})
    folder = checkpointer.run_dir.checkpoint_dir(4)
    verify_checkpoint(folder)
    facts = SavedState.read(folder).facts
    assert facts.pop("loop")["num_skipped"] == 0
    assert facts == {
        "global_step": 4,
        "total_steps": 12,
        "world_size": 1,
        "is_settled": True,
        "metrics": {"f1": 50.0},
        **COUNTS,
    }


def test_lines_of_a_step_are_on_disk_before_its_checkpoint_is(make: Make) -> None:
    checkpointer = make()
    checkpointer.save(4, {})
    checkpointer.save(8, {})
    assert checkpointer.tracker.seen == [[], ["step_000004"]]  # type: ignore[attr-defined]


def test_what_was_saved_is_put_back_into_another_run_of_the_recipe(make: Make) -> None:
    saving, restored = make(), make()
    for step in range(1, 5):
        saving.trainer.train_step(step)
    saving.trainer.num_skipped = 2
    saving.save(4, {})
    expected, drawn = weights(saving), torch.rand(4)
    torch.manual_seed(77)
    restored.restore(SavedState.read(saving.run_dir.checkpoint_dir(4)))
    assert torch.equal(torch.rand(4), drawn)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(restored).items())
    assert restored.trainer.num_skipped == 2
    assert restored.allocator is not None
    assert restored.allocator.num_rounds == 1


def test_generators_can_be_those_of_an_earlier_moment(make: Make) -> None:
    checkpointer = make()
    torch.manual_seed(1)
    earlier: Mapping[str, Tensor] = {"cpu": torch.get_rng_state()}
    torch.rand(9)
    checkpointer.save(4, {}, generators=earlier)
    tensors = SavedState.read(checkpointer.run_dir.checkpoint_dir(4)).tensors
    assert torch.equal(tensors["generator.cpu.0"], earlier["cpu"])


def test_an_extra_checkpoint_is_saved_once_and_takes_no_ones_place(make: Make) -> None:
    checkpointer = make()
    folder = checkpointer.save_extra(4, is_settled=False)
    assert SavedState.read(folder).facts["is_settled"] is False
    assert SavedState.read(folder).facts["metrics"] == {}
    checkpointer.save(8, {"f1": 1.0})
    assert checkpointer.save_extra(8, is_settled=False) == checkpointer.run_dir.checkpoint_dir(8)
    facts = SavedState.read(checkpointer.run_dir.checkpoint_dir(8)).facts
    assert (facts["metrics"], facts["is_settled"]) == ({"f1": 1.0}, True)


def save_together(
    make: Make, run_together: Callable[..., list[Any]]
) -> tuple[list[Checkpointer], list[Any]]:
    """Two processes save step 4, each told to write into a folder of its own."""
    built = [make(folder=f"of_{rank}") for rank in range(2)]

    def save(processes: Processes) -> None:
        rank = processes.world.global_rank
        built[rank].trainer.processes = processes
        state = torch.full((5,), rank, dtype=torch.uint8)
        built[rank].save(4, {}, generators={"cpu": state})

    return built, run_together(save, 2)


def test_the_main_process_writes_the_generators_of_all_and_alone(
    make: Make, run_together: Callable[..., list[Any]]
) -> None:
    (main, other), outcomes = save_together(make, run_together)
    assert outcomes == [None, None]
    saved = SavedState.read(main.run_dir.checkpoint_dir(4))
    assert saved.facts["world_size"] == 2
    for rank in range(2):
        assert saved.tensors[f"generator.cpu.{rank}"].tolist() == [rank] * 5
    assert not other.run_dir.path.exists()


def test_a_checkpoint_that_cannot_be_written_stops_every_process(
    make: Make, run_together: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RunError("no space left on device")

    monkeypatch.setattr("qarank.workflows.checkpointer.save_checkpoint", refuse)
    _, outcomes = save_together(make, run_together)
    assert [str(error) for error in outcomes] == ["no space left on device"] * 2
    assert {type(error) for error in outcomes} == {RunError}


def test_a_checkpoint_of_an_older_version_is_told(make: Make) -> None:
    checkpointer = make()
    checkpointer.save(4, {})
    folder = checkpointer.run_dir.checkpoint_dir(4)
    path = folder / "state" / "state.json"
    facts = json.loads(path.read_text())
    del facts["is_settled"]
    path.write_text(json.dumps(facts))
    with pytest.raises(CheckpointError, match="has no is_settled in its state: .* --overwrite"):
        SavedState.read(folder)
